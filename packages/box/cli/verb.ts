import { isVersion } from '../../../build/release/format/version.ts';
import { type Terminal, WrongUsage } from '../install/terminal.ts';
import { type Box, BoxError, describeError } from '../io/box.ts';
import { onTrial } from '../trial/on-trial.ts';
import { type Checked, describeDecision, type Request } from '../update/check.ts';
import { changeState } from '../update/state.ts';
import type { Options } from './options.ts';

/* Common parts of verbs. */

/**
 * A verb of `draisine` on the box.
 * @throws WrongUsage for bad input, BoxError for a failure
 */
export type Verb = (box: Box, terminal: Terminal, options: Options) => void;

/**
 * Refuses to go on during a trial.
 * @throws BoxError
 */
export function refuseOnTrial(box: Box): void {
  const trial = onTrial(box);
  if (trial)
    throw new BoxError(`${trial.version} is on trial`, {
      hint: 'draisine commit or draisine rollback ends it',
    });
}

/** Records the result of a check, success or failure. */
export function remembered(box: Box, ask: () => Checked): Checked {
  try {
    const checked = ask();
    changeState(box, () => ({
      lastCheck: { at: box.now(), result: 'done', text: describeDecision(checked.decision) },
    }));
    return checked;
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    changeState(box, () => ({ lastCheck: { at: box.now(), result: 'failed', text: describeError(error) } }));
    throw error;
  }
}

/**
 * The version and the source that a command line names.
 * @throws WrongUsage
 */
export function requestOf({ words, values }: Options): Request {
  const [version, other] = words;
  if (other !== undefined) throw new WrongUsage(`name one version, not also ${other}`);
  if (version !== undefined && !isVersion(version))
    throw new WrongUsage(`name a version such as 2026.1129.0, not ${version}`);
  return { base: values.base, asked: { version } };
}

/** Prints a result: as JSON if the user wants it, else as text. */
export function tell(terminal: Terminal, { json }: Options, value: object, text: string): void {
  terminal.print(json ? JSON.stringify(value, null, 2) : text);
}
