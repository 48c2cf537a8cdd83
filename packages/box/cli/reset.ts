import { kernelWords } from '../install/options.ts';
import { type Terminal, WrongUsage } from '../install/terminal.ts';
import { type Box, BoxError, mustRun, whyFailed } from '../io/box.ts';
import { findConfig } from '../reset/find-config.ts';
import { keptPath, onStatePartition } from '../reset/keep.ts';
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
  terminal.print(sayConfig(box, blank));
  terminal.print(
    `The state partition will be emptied: /etc, /var, /home, /root and all other folders${
      kept.length === 0 ? '.' : `, except for ${kept.join(', ')}.`
    }\nPools and other partitions stay.`,
  );
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

/**
 * Tells the user which config the machine will be provisioned with.
 * @throws BoxError if nobody could log in afterwards
 */
function sayConfig(box: Box, blank: boolean): string {
  const found = findConfig(box);
  if (found)
    return `The machine will be provisioned again with: ${found.where}${found.seen ? '' : ' (not checked)'}`;
  if (blank) return 'There is no machine config: nobody can log in until the machine gets one.';
  throw new BoxError('there is no machine config, and without one nobody could log in: nothing was changed', {
    hint: 'put ignition.ign on the EFI system partition (/dev/disk/draisine/esp) or on a stick labelled IGNITION; --blank is for a machine that gets a new owner',
  });
}

/** Asks for the name of the machine, so that nobody resets the wrong one. */
function confirm(box: Box, terminal: Terminal): void {
  const name = mustRun(box, 'cannot ask for the name of this machine', ['uname', '-n']).trim();
  const answer = terminal.ask(`Type the name of this machine, ${name}, to go on: `);
  if (answer === undefined)
    throw new BoxError('nobody answered, nothing was changed', { hint: '--yes does not ask' });
  if (answer !== name) throw new BoxError('not confirmed, nothing was changed');
}
