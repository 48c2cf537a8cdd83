/** Exit codes of the command line. 1: the command failed. 2: wrong usage or bad input. */
export type ExitCode = 1 | 2;

/** The parts of a Failure besides its message. */
export interface FailureDetails {
  /** The place of the fault: `file:line`, a JSON path, a URL, a package name. */
  where?: string;
  /** Advice for the user, in the imperative. */
  hint?: string;
  exitCode?: ExitCode;
  cause?: unknown;
}

/**
 * An error for the user: what went wrong, where, and how to fix it. It is printed without a stack. Any other error is a
 * defect of Draisine, and is printed with its stack.
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

/** Makes the error for bad input or wrong usage: exit code 2. */
export function badInput(what: string, details: Omit<FailureDetails, 'exitCode'> = {}): Failure {
  return new Failure(what, { ...details, exitCode: 2 });
}

/** Formats an error for the terminal: `error: what`, then `  at:` and `  hint:` if it has them. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Failure))
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`error: ${error.message}`];
  if (error.where) lines.push(`  at:   ${error.where}`);
  if (error.hint) lines.push(`  hint: ${error.hint}`);
  return lines.join('\n');
}

/** The result of work on a file; undefined if there is no such file. Any other error is thrown. */
export async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  return await work.catch(missing);
}

/** The same, for work that blocks. */
export function ifThereSync<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    return missing(error);
  }
}

function missing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}

/** The `code` of Node's system errors (`ENOENT`, `ENOSPC`, …); undefined for other errors. */
export function errorCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}
