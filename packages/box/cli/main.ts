import { LOCKED } from '../disk/lock.ts';
import { type Terminal, WrongUsage } from '../install/terminal.ts';
import { type Box, BoxError, describeError } from '../io/box.ts';
import { parseOptions } from './options.ts';
import { VERBS } from './verbs.ts';

function usage(): string {
  const lines = Object.values(VERBS).flatMap(({ usage: words, does }) =>
    does === undefined ? [] : [`  ${words.padEnd(38)} ${does}`],
  );
  return [
    'Usage: draisine VERB [options]',
    '',
    ...lines,
    '',
    'Verbs that report take --json; check and stage take --base ADDRESS. More: docs/updates.md.',
  ].join('\n');
}

/**
 * Exit code while another process does the same (EX_TEMPFAIL of sysexits.h). For units of timers it is a success:
 * ignition/sugar/replicate.ts.
 */
const BUSY = 75;

/**
 * The command `draisine` without install and apply. Returns the exit code: 1 for a failure, 2 for wrong
 * usage, 75 if another process does the same.
 */
export function draisineMain(box: Box, terminal: Terminal, args: readonly string[]): number {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.print(usage());
    return name === undefined ? 2 : 0;
  }
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  try {
    if (!verb) throw new WrongUsage(`there is no verb ${name}`);
    const options = parseOptions(rest, verb);
    if (options.help) terminal.print(usage());
    else verb.run(box, terminal, options);
    return 0;
  } catch (error) {
    if (error instanceof WrongUsage) {
      terminal.complain(`draisine: ${error.message}; see --help`);
      return 2;
    }
    if (!(error instanceof BoxError)) throw error;
    const busy = error.code === LOCKED;
    box.log(busy ? 'warning' : 'error', `draisine ${name}: ${describeError(error)}`);
    return busy ? BUSY : 1;
  }
}
