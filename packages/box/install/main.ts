import { partitionsOf, STATE_LABEL } from '../disk/inspect.ts';
import { withLock } from '../disk/lock.ts';
import { type Box, BoxError, mustRun } from '../io/box.ts';
import { checkConfig } from './config.ts';
import { allDisks, findDisk } from './disks.ts';
import { installOnto } from './onto.ts';
import { type InstallOptions, parseOptions, USAGE } from './options.ts';
import { refuse } from './refuse.ts';
import { parseSize } from './sizes.ts';
import { type Terminal, WrongUsage } from './terminal.ts';

/** Size of the ESP, two slots and the table, in bytes. The state partition comes on top. */
const PLAN = 2 * 2 ** 30;
const STATE = 4 * 2 ** 30;

/** `draisine-install`. Returns the exit code. */
export function installMain(box: Box, terminal: Terminal, args: readonly string[]): number {
  try {
    const request = parseOptions(box, args);
    if (request === 'help') terminal.print(USAGE);
    else if (request === 'consoles') return askAtConsoles(box);
    else if (request !== 'nothing') install(box, terminal, request);
    return 0;
  } catch (error) {
    if (error instanceof WrongUsage) {
      terminal.complain(`draisine-install: ${error.message}; see --help`);
      return 2;
    }
    if (!(error instanceof BoxError)) throw error;
    terminal.complain(`draisine-install: ${error.message}`);
    if (error.hint !== undefined) terminal.complain(error.hint);
    return 1;
  }
}

function askAtConsoles(box: Box): number {
  const units = ['draisine-install@tty1.service', 'draisine-install@ttyS0.service'];
  return box.run(['systemctl', 'start', '--no-block', ...units]).code;
}

function install(box: Box, terminal: Terminal, options: InstallOptions): void {
  if (box.run(['id', '-u']).stdout.trim() !== '0') throw new BoxError('only root can install');
  box.makeFolder('/run/draisine');
  box.run(['udevadm', 'settle', '--timeout=30']);
  checkKeep(options);
  if (options.config !== '') options.config = checkConfig(box, options.config);
  if (options.device + options.size + options.model + options.serial === '') {
    askDisk(box, terminal, options);
    checkKeep(options);
  }
  const state = options.stateSize === '' ? undefined : parseSize(options.stateSize);
  const plan = options.keepState ? 0 : PLAN + (state ?? STATE);
  const disk = findDisk(box, options, plan);
  withLock(box, '/run/draisine/install.lock', 'another installation is running', () => {
    refuse(box, disk, options, plan);
    confirm(box, terminal, disk, options);
    const { keepState, config } = options;
    installOnto(box, { disk, keepState, config, state }, (line) => terminal.print(line));
  });
  if (options.after === 'stay') terminal.print('Remove the medium and restart.');
  else mustRun(box, `the installation is done, but ${options.after} failed`, ['systemctl', options.after]);
}

/** Checks the options again after the person has typed `keep`. */
function checkKeep({ keepState, config, stateSize }: InstallOptions): void {
  if (!keepState) return;
  if (config !== '')
    throw new WrongUsage('--config is for a first boot, and with --keep-state there is none');
  if (stateSize !== '') throw new WrongUsage('--keep-state keeps the size of the state partition as well');
}

function askDisk(box: Box, terminal: Terminal, options: InstallOptions): void {
  const all = allDisks(box);
  if (all.length === 0) throw new BoxError('this machine has no disk');
  terminal.print('Disks of this machine:');
  const columns = 'NAME,SIZE,MODEL,SERIAL,TRAN,PARTLABEL,FSTYPE,LABEL';
  terminal.print(showDevices(box, columns, all));
  const answer = terminal.ask('Install Draisine on which disk? ');
  if (answer === undefined) throw new BoxError('no answer');
  if (answer === '') throw new BoxError('no disk was named, and nothing was done');
  options.device = answer;
  const name = answer.replace(/^\/dev\//, '');
  if (options.keepState || !all.includes(name)) return;
  if (!(partitionsOf(box, name) ?? []).some(({ label }) => label === STATE_LABEL)) return;
  const keep = terminal.ask(
    'There is a Draisine on it. Type keep to keep its state, anything else to erase it: ',
  );
  if (keep === undefined) throw new BoxError('no answer');
  options.keepState = keep === 'keep';
}

function showDevices(box: Box, columns: string, names: readonly string[]): string {
  return box.run(['lsblk', '--output', columns, ...names.map((name) => `/dev/${name}`)]).stdout.trimEnd();
}

function confirm(box: Box, terminal: Terminal, disk: string, { keepState, sure }: InstallOptions): void {
  terminal.print(
    keepState
      ? `The running release will be put on ${disk}. Everything on it stays:`
      : 'All of this will be erased:',
  );
  terminal.print(showDevices(box, 'NAME,SIZE,MODEL,SERIAL,PARTLABEL,FSTYPE,LABEL', [disk]));
  if (sure) return;
  const answer = terminal.ask(`Type the name of the disk, ${disk}, to go on: `);
  if (answer !== disk) throw new BoxError('not confirmed, and nothing was done');
}
