import { type Box, readTextIfThere } from '../io/box.ts';
import { noticeLines, statusReport } from './report.ts';

/** What usr/lib/draisine/console puts above the login prompt, and what pam_motd(8) shows after a login. */
const ISSUE = '/run/draisine/problems/update';
const MOTD = '/run/motd.dynamic';

/** Has consoles and logins say what is on trial, staged or rejected. */
export function writeNotices(box: Box): void {
  const lines = noticeLines(statusReport(box));
  const text = lines.map((line) => `${line}\n`).join('');
  if ((readTextIfThere(box, ISSUE) ?? '') === text) return;
  box.makeFolder('/run/draisine/problems');
  if (text === '') box.remove(ISSUE);
  else box.writeFile(ISSUE, text, { durable: false });
  box.writeFile(MOTD, text === '' ? '' : `\n${text}\n`, { durable: false });
  // It has ended: what it wrote is read again by whoever waits for a login.
  box.run(['systemctl', 'restart', '--no-block', 'draisine-console.service']);
}
