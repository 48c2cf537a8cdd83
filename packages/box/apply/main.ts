import { LOCKED } from '../disk/lock.ts';
import type { Terminal } from '../install/terminal.ts';
import { WrongUsage } from '../install/terminal.ts';
import { type Box, BoxError, describeError } from '../io/box.ts';
import { type Applied, apply, confirm, type Health, prepare } from './engine.ts';
import { revert, revertPatiently } from './revert.ts';
import { appliedDocument, describePlan, planDocument } from './show.ts';

/** The help text of `draisine apply`. */
const APPLY_USAGE = `Usage: draisine apply [options] FILE

Brings this machine to a compiled Ignition config. What changes goes back by itself unless somebody
confirms it in time. ./draisine apply on another machine does all of this.

  --plan               only say what would change
  --within SECONDS     until it goes back; default 120
  --id ID              its name, for --confirm; default the time
  --keep-theirs PATH   what was changed by hand stays
  --take-mine PATH     what was changed by hand goes
  --confirm ID         all is well: it stays
  --revert             it goes back now
  --json               one JSON document`;

interface Words {
  readonly file: string | undefined;
  readonly plan: boolean;
  readonly json: boolean;
  readonly revert: boolean;
  /** Tries several times to revert. The timer that reverts an unconfirmed apply has this option. */
  readonly patient: boolean;
  readonly confirm: string | undefined;
  readonly seconds: number;
  readonly id: string | undefined;
  readonly keepTheirs: readonly string[];
  readonly takeMine: readonly string[];
}

function parse(args: readonly string[]): Words {
  const lists: Record<string, string[]> = { '--keep-theirs': [], '--take-mine': [] };
  const flags = new Set<string>();
  const values: Record<string, string> = {};
  let file: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? '';
    if (['--plan', '--json', '--revert', '--patient'].includes(word)) flags.add(word);
    else if (['--confirm', '--within', '--id'].includes(word) || word in lists) {
      const value = args[++at];
      if (value === undefined) throw new WrongUsage(`${word} needs a value`);
      if (word in lists) lists[word]?.push(value);
      else values[word] = value;
    } else if (word.startsWith('-')) throw new WrongUsage(`unknown option ${word}`);
    else if (file !== undefined) throw new WrongUsage(`two files: ${file} and ${word}`);
    else file = word;
  }
  const seconds = Number(values['--within'] ?? '120');
  if (!Number.isInteger(seconds) || seconds < 10 || seconds > 86_400)
    throw new WrongUsage('--within takes seconds, from 10 to 86400');
  const { '--id': id } = values;
  if (id !== undefined && !/^[A-Za-z0-9]{1,32}$/.test(id))
    throw new WrongUsage('--id takes letters and digits');
  return {
    ...{
      file,
      seconds,
      id,
      plan: flags.has('--plan'),
      json: flags.has('--json'),
      revert: flags.has('--revert'),
      patient: flags.has('--patient'),
    },
    ...{
      confirm: values['--confirm'],
      keepTheirs: lists['--keep-theirs'] ?? [],
      takeMine: lists['--take-mine'] ?? [],
    },
  };
}

function readConfig(box: Box, file: string | undefined): string {
  if (file === undefined) throw new WrongUsage('no config is named');
  return box.readText(file);
}

const EXIT: Readonly<Record<Applied['result'], number>> = {
  'nothing to do': 0,
  'waits for confirmation': 0,
  'went back': 1,
};

/**
 * Exit code while another apply is going on (EX_TEMPFAIL of sysexits.h). ignition/apply/session.ts has it as
 * well.
 */
const BUSY = 75;

/** `draisine apply` on the box. Returns the exit code. */
export function applyMain<Baseline>(
  box: Box,
  terminal: Terminal,
  health: Health<Baseline>,
  args: readonly string[],
): number {
  try {
    const words = parse(args);
    if (words.revert) {
      const reverted = words.patient ? revertPatiently(box) : revert(box);
      terminal.print(reverted ? 'the machine is as it was before' : 'nothing waits for confirmation');
      return 0;
    }
    if (words.confirm !== undefined) {
      confirm(box, words.confirm);
      terminal.print('confirmed');
      return 0;
    }
    const options = {
      config: readConfig(box, words.file),
      keepTheirs: words.keepTheirs,
      takeMine: words.takeMine,
    };
    if (words.plan) {
      const { plan } = prepare(box, options);
      terminal.print(
        words.json ? JSON.stringify(planDocument(box, plan)) : describePlan(box, plan).join('\n'),
      );
      return 0;
    }
    const applied = apply(box, health, { ...options, confirmSeconds: words.seconds, id: words.id });
    return tell(terminal, applied, words.json);
  } catch (error) {
    if (error instanceof WrongUsage) {
      terminal.complain(`draisine apply: ${error.message}\n${APPLY_USAGE}`);
      return 2;
    }
    if (!(error instanceof BoxError)) throw error;
    terminal.complain(`draisine apply: ${describeError(error)}`);
    return error.code === LOCKED ? BUSY : 1;
  }
}

function tell(terminal: Terminal, applied: Applied, json: boolean): number {
  const { id, result, troubles, plan } = applied;
  if (json) terminal.print(JSON.stringify({ id, result, troubles, plan: appliedDocument(plan) }));
  else {
    for (const trouble of troubles) terminal.complain(trouble);
    terminal.print(
      result === 'waits for confirmation' ? `${result}: draisine apply --confirm ${id}` : result,
    );
  }
  return EXIT[result];
}
