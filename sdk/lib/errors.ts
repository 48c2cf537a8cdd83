/** Exit codes of the command line: 1 the command failed, 2 wrong usage or bad input. */
export type ExitCode = 1 | 2;

/** What a Failure says besides its message. */
export interface FailureDetails {
  /** Where the fault is: `file:line`, a JSON path, a URL, a package name. */
  where?: string;
  /** What the reader can do about it, in the imperative. */
  hint?: string;
  exitCode?: ExitCode;
  cause?: unknown;
}

/**
 * A failure the user is meant to read: what went wrong, where, and how to fix it.
 * Printed without a stack. Anything else that reaches the top is a defect of ours and keeps its stack.
 */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly where: string | undefined;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;

  constructor(what: string, { where, hint, exitCode = 1, cause }: FailureDetails = {}) {
    super(what, cause === undefined ? undefined : { cause });
    this.where = where;
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** Bad input or wrong usage: exit code 2. */
export function badInput(what: string, details: Omit<FailureDetails, 'exitCode'> = {}): Failure {
  return new Failure(what, { ...details, exitCode: 2 });
}

/** One error as the terminal shows it: `error: what`, then `  at:` and `  hint:` when known. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Failure))
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`error: ${error.message}`];
  if (error.where) lines.push(`  at:   ${error.where}`);
  if (error.hint) lines.push(`  hint: ${error.hint}`);
  return lines.join('\n');
}

/** The `code` of a Node system error (`ENOENT`, `ENOSPC`, …), else undefined. */
export function errorCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}
