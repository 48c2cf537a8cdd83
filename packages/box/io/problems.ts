import type { Box } from './box.ts';

/** The folder of problems. The owner reads them in `draisine health`, in messages, and above the login prompt. */
export const PROBLEMS = '/run/draisine/problems';

/** Tells the owner a problem, or with an empty text that it is over. */
export function tellProblem(box: Box, name: string, text: string): void {
  box.makeFolder(PROBLEMS);
  if (text === '') box.remove(`${PROBLEMS}/${name}`);
  else box.writeFile(`${PROBLEMS}/${name}`, text, { durable: false });
  // agetty reads the file again for a waiting login prompt.
  box.run(['systemctl', 'restart', '--no-block', 'draisine-console.service'], { timeoutSeconds: 30 });
}
