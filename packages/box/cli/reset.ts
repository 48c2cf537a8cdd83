import { kernelWords } from '../install/options.ts';
import { type Terminal, WrongUsage } from '../install/terminal.ts';
import { type Box, BoxError, mustRun, whyFailed } from '../io/box.ts';
import { type FoundConfig, findConfig } from '../reset/find-config.ts';
import { keptPath, onStatePartition } from '../reset/keep.ts';
import { type KeyFile, lostKeys } from '../reset/keys.ts';
import { RESET } from '../reset/request.ts';
import { exclusive } from '../update/turn.ts';
import { refuseOnTrial, type Verb } from './verb.ts';

const CANCELS = `rm ${RESET} cancels it`;

/**
 * Asks the initrd to empty the state partition and to provision this machine again, then restarts. The
 * request has a line `keep PATH` for each path that stays, or `blank` if no config is needed.
 */
export const reset: Verb = (box, terminal, { words, flags, lists }) => {
  if (words.length > 0) throw new WrongUsage(`reset takes no ${words[0]}`);
  const paths = [...new Set((lists.keep ?? []).map(keptPath))];
  const blank = flags.has('blank');
  if (kernelWords(box).includes('root=tmpfs'))
    throw new BoxError('this system runs live and has no state: each restart is a reset');
  refuseOnTrial(box);
  const kept = paths.filter((path) => {
    const needed = onStatePartition(box, path);
    if (!needed) terminal.print(`${path} is not on the state partition, so it stays in any case`);
    return needed;
  });
  showPlan(box, terminal, kept, blank);
  if (!flags.has('yes')) confirm(box, terminal);
  exclusive(box, () => {
    const lines = [...(blank ? ['blank'] : []), ...kept.map((path) => `keep ${path}`)];
    box.writeFile(RESET, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
    if (flags.has('no-restart')) {
      terminal.print(`The next restart does the reset; ${CANCELS}.`);
      return;
    }
    box.log('notice', 'restarting for a reset');
    const command = ['systemctl', 'reboot'];
    const ran = box.run(command);
    if (ran.code !== 0)
      throw new BoxError(`cannot restart: ${whyFailed(command, ran)}`, {
        hint: `the next restart does the reset; ${CANCELS}`,
      });
  });
};

/** @throws BoxError if nobody could log in afterwards, or if keys would be lost */
function showPlan(box: Box, terminal: Terminal, kept: readonly string[], blank: boolean): void {
  const config = findConfig(box);
  terminal.print(sayConfig(config, blank));
  if (config !== undefined && config.erases.length > 0)
    terminal.print(
      `The config also erases ${config.erases.join(', ')}: to keep the data there, take that out of the config first.`,
    );
  checkKeys(terminal, lostKeys(box, kept, config ? config.files : []), blank);
  terminal.print(
    `The state partition will be emptied: /etc, /var, /home, /root and all other folders${
      kept.length === 0 ? '.' : `, except for ${kept.join(', ')}.`
    }\nPools and all other partitions stay.`,
  );
}

/**
 * Tells the user which config the machine will be provisioned with.
 * @throws BoxError if nobody could log in afterwards
 */
function sayConfig(found: FoundConfig | undefined, blank: boolean): string {
  if (found)
    return `The machine will be provisioned again with: ${found.where}${found.seen ? '' : ' (not checked)'}`;
  if (blank) return 'There is no machine config: nobody can log in until the machine gets one.';
  throw new BoxError('there is no machine config, and without one nobody could log in: nothing was changed', {
    hint: 'put ignition.ign on the EFI system partition (/dev/disk/draisine/esp) or on a stick labelled IGNITION; --blank is for a machine that gets a new owner',
  });
}

/**
 * Refuses to erase keys without which data on other disks would be lost. A box that gets a new owner loses them on
 * purpose.
 */
function checkKeys(terminal: Terminal, keys: readonly KeyFile[], blank: boolean): void {
  const [first] = keys;
  if (first === undefined) return;
  if (!blank)
    throw new BoxError(`the key of ${first.of} would be erased, and the machine config does not have it`, {
      where: first.path,
      hint: `${keys.map(({ path }) => `--keep ${path}`).join(' ')} keeps it; without its key the data is lost`,
    });
  terminal.print(`The keys of ${keys.map((key) => key.of).join(', ')} are erased as well.`);
}

/** Asks for the name of the machine, so that nobody resets the wrong one. */
function confirm(box: Box, terminal: Terminal): void {
  const name = mustRun(box, 'cannot ask for the name of this machine', ['uname', '-n']).trim();
  const answer = terminal.ask(`Type the name of this machine, ${name}, to go on: `);
  if (answer === undefined)
    throw new BoxError('nobody answered, nothing was changed', { hint: '--yes does not ask' });
  if (answer !== name) throw new BoxError('not confirmed, nothing was changed');
}
