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
 * An error for the user: what went wrong, where, and how to fix it. It is printed without a stack. So are errors of the
 * system that have their cause on the host (`HOST`). Any other error is a defect of Draisine, and is printed with its
 * stack.
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
  const failure = error instanceof Failure ? error : hostFailure(error);
  if (failure === undefined) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`error: ${failure.message}`];
  if (failure.where) lines.push(`  at:   ${failure.where}`);
  if (failure.hint) lines.push(`  hint: ${failure.hint}`);
  return lines.join('\n');
}

/** Errors of the system (errno(3)) that have their cause on the host, with advice. */
const HOST: Readonly<Record<string, string>> = {
  EACCES: 'give this user the right to do that, or name another path',
  EPERM: 'give this user the right to do that, or name another path',
  EROFS: 'the file system is read-only: name another path',
  ENOSPC: 'make room there',
  EDQUOT: 'make room there: the disk quota is used up',
  EIO: 'look at the disk: dmesg',
  EMFILE: 'allow more open files: ulimit -n 8192',
  ENFILE: 'end other programs: too many files are open on this host',
  ENOMEM: 'end other programs: the memory is used up',
};

/** An error of the host as a Failure, in the words of the system; undefined for any other error. */
function hostFailure(error: unknown): Failure | undefined {
  const hint = HOST[errorCode(error) ?? ''];
  if (hint === undefined || !(error instanceof Error) || !('syscall' in error)) return undefined;
  const where = 'path' in error && typeof error.path === 'string' ? { where: error.path } : {};
  return new Failure(error.message, { ...where, hint, cause: error });
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
