import { type Box, readTextIfThere } from '../io/box.ts';
import { PROBLEMS, tellProblem } from '../io/problems.ts';
import { noticeLines, statusReport } from './report.ts';

/** pam_motd(8) shows it after a login. */
const MOTD = '/run/motd.dynamic';

/** Shows a release that is on trial, staged or rejected on consoles and at logins. */
export function writeNotices(box: Box): void {
  const lines = noticeLines(statusReport(box));
  const text = lines.map((line) => `${line}\n`).join('');
  if ((readTextIfThere(box, `${PROBLEMS}/update`) ?? '') === text) return;
  tellProblem(box, 'update', text);
  box.writeFile(MOTD, text === '' ? '' : `\n${text}\n`, { durable: false });
}
