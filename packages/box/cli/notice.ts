import { type Box, readTextIfThere } from '../io/box.ts';
import { noticeLines, statusReport } from './report.ts';

/** Files that usr/lib/draisine/console shows above the login prompt, and pam_motd(8) after a login. */
const ISSUE = '/run/draisine/problems/update';
const MOTD = '/run/motd.dynamic';

/** Shows a release that is on trial, staged or rejected on consoles and at logins. */
export function writeNotices(box: Box): void {
  const lines = noticeLines(statusReport(box));
  const text = lines.map((line) => `${line}\n`).join('');
  if ((readTextIfThere(box, ISSUE) ?? '') === text) return;
  box.makeFolder('/run/draisine/problems');
  if (text === '') box.remove(ISSUE);
  else box.writeFile(ISSUE, text, { durable: false });
  box.writeFile(MOTD, text === '' ? '' : `\n${text}\n`, { durable: false });
  // agetty reads the file again for a waiting login prompt.
  box.run(['systemctl', 'restart', '--no-block', 'draisine-console.service'], { timeoutSeconds: 30 });
}
