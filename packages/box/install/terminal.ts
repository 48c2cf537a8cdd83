/** The person who runs a command on the box. */
export interface Terminal {
  /** A line on stdout. */
  print(line: string): void;
  /** A line on stderr. */
  complain(line: string): void;
  /** Asks a question and waits for a line. Undefined at the end of input. */
  ask(question: string): string | undefined;
}

/** Wrong usage: exit code 2. */
export class WrongUsage extends Error {
  override readonly name = 'WrongUsage';
}
