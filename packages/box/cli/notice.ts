import { type Box, readTextIfThere } from '../io/box.ts';
import { noticeLines, statusReport } from './report.ts';

/** What usr/lib/draisine/console puts above the login prompt, and what pam_motd(8) shows after a login. */
const ISSUE = '/run/draisine/update.issue';
const MOTD = '/run/motd.dynamic';

/** Has consoles and logins say what is on trial, staged or rejected. */
export function writeNotices(box: Box): void {
  const lines = noticeLines(statusReport(box));
  // agetty(8) takes a backslash for its own.
  const text = lines.map((line) => `  ${line.replaceAll('\\', '/')}\n`).join('');
  if (readTextIfThere(box, ISSUE) === text) return;
  box.makeFolder('/run/draisine');
  box.writeFile(ISSUE, text, { durable: false });
  box.writeFile(MOTD, text === '' ? '' : `\n${text}\n`, { durable: false });
  box.run(['systemctl', 'try-restart', '--no-block', 'draisine-console.service']);
}
