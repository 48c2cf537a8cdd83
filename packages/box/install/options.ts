import type { Box } from '../io/box.ts';
import { parseCondition, parseSize } from './sizes.ts';
import { WrongUsage } from './terminal.ts';

/** The text of `draisine-install --help`. */
export const USAGE = `Usage: draisine-install [options] [DISK]

Installs the running release on DISK: a path (/dev/disk/by-id/…), a name (sda), or \`auto\` for the only possible disk.
Without DISK and conditions, it lists the disks and asks.

  --size COND      only disks of this size: >=200G, <1T (G: 10^9 bytes, Gi: 2^30)
  --model TEXT     only disks with TEXT in their model
  --serial TEXT    only the disk with this serial number
  --keep-state     keep the state partition and all others of a Draisine disk
  --state-size SIZE  of the state partition: 16Gi; default 4Gi. The rest of the disk stays free
  --config FILE    Ignition config of the installed system's first boot
  --erase-pool     erase the disk although it belongs to a ZFS pool
  --yes            do not ask
  --reboot, --poweroff   after the installation`;

/** The options of an installation. */
export interface InstallOptions {
  /** A path, a name, `auto`, or empty. */
  device: string;
  /** A condition such as `>=200G`. */
  size: string;
  model: string;
  serial: string;
  /** Path of an Ignition config. */
  config: string;
  /** A size such as `16Gi`. */
  stateSize: string;
  keepState: boolean;
  erasePool: boolean;
  /** Whether a Draisine in use may be erased. Without a person it needs a word of its own. */
  eraseState: boolean;
  /** No questions. */
  sure: boolean;
  after: 'stay' | 'reboot' | 'poweroff';
  /** Unattended: a named disk may appear late, and nobody can try again. */
  patient: boolean;
}

/**
 * `help` and `consoles` end the program: with the usage, or with questions on the consoles. `nothing`: there
 * is nothing to do.
 */
export type Request = InstallOptions | 'help' | 'consoles' | 'nothing';

/** The file with the options of an unattended installation. */
const INSTALL_CONF = '/etc/draisine/install.conf';
const WITH_VALUE: Readonly<Record<string, 'size' | 'model' | 'serial' | 'config' | 'stateSize'>> = {
  '--size': 'size',
  '--model': 'model',
  '--serial': 'serial',
  '--config': 'config',
  '--state-size': 'stateSize',
};

function defaults(): InstallOptions {
  return {
    device: '',
    size: '',
    model: '',
    serial: '',
    config: '',
    stateSize: '',
    keepState: false,
    erasePool: false,
    eraseState: true,
    sure: false,
    after: 'stay',
    patient: false,
  };
}

/** Parses the command line, with all checks that need no disk. */
export function parseOptions(box: Box, args: readonly string[]): Request {
  const options = defaults();
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const named = WITH_VALUE[word];
    if (named) {
      const value = rest.shift();
      if (value === undefined) throw new WrongUsage(`${word} needs a value`);
      options[named] = value;
    } else if (word === '--keep-state') options.keepState = true;
    else if (word === '--erase-pool') options.erasePool = true;
    else if (word === '--yes') options.sure = true;
    else if (word === '--reboot' || word === '--poweroff')
      options.after = word === '--reboot' ? 'reboot' : 'poweroff';
    else if (word === '--unattended') {
      const found = unattended(box, options);
      if (found !== undefined) return found;
    } else if (word === '-h' || word === '--help') return 'help';
    else if (word.startsWith('-')) throw new WrongUsage(`unknown option ${word}`);
    else if (options.device !== '') throw new WrongUsage(`two disks: ${options.device} and ${word}`);
    else options.device = word;
  }
  if (options.size !== '') parseCondition(options.size);
  if (options.stateSize !== '' && parseSize(options.stateSize) < 2 ** 30)
    throw new WrongUsage(`a state partition of ${options.stateSize} is too small: it needs 1Gi`);
  return options;
}

/**
 * The options in draisine.install= on the kernel command line, else in /etc/draisine/install.conf. They are
 * the consent of the owner.
 */
function unattended(box: Box, options: InstallOptions): 'consoles' | 'nothing' | undefined {
  const cmdline = kernelWords(box);
  options.eraseState = false;
  const words = kernelArgument(cmdline, 'draisine.install');
  if (words !== undefined && words !== '') readWords(words, options);
  else if (box.stat(INSTALL_CONF) !== undefined) {
    // The file came with the machine config of a live system. An installed system with the same config
    // ignores it.
    if (!cmdline.includes('root=tmpfs')) return 'nothing';
    readConf(box.readText(INSTALL_CONF), options);
  } else return 'consoles'; // asks the person at the console
  const { device, size, model, serial } = options;
  if (device + size + model + serial === '') throw new WrongUsage('unattended, but no disk is named');
  options.sure = true;
  options.patient = true;
  return undefined;
}

/** The words of the kernel command line. */
export function kernelWords(box: Box): string[] {
  return box.readText('/proc/cmdline').trim().split(/\s+/);
}

/** The last value of an argument, as in the kernel. */
export function kernelArgument(words: readonly string[], name: string): string | undefined {
  return words.findLast((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
}

function readWords(words: string, options: InstallOptions): void {
  for (const word of words.split(',')) {
    const [, key = '', value = ''] = /^(model|serial|state-size)=(.*)$/s.exec(word) ?? [];
    if (word === 'keep-state') options.keepState = true;
    else if (word === 'erase-pool') options.erasePool = true;
    else if (word === 'erase-state') options.eraseState = true;
    else if (word === 'reboot' || word === 'poweroff') options.after = word;
    else if (/^size[<>=]/.test(word)) options.size = word.slice('size'.length);
    else if (key !== '') options[WITH_VALUE[`--${key}`]!] = value;
    else if (word === '' || word.includes('='))
      throw new WrongUsage(`draisine.install=: unknown word '${word}'`);
    else if (options.device !== '')
      throw new WrongUsage(`draisine.install=: two disks: ${options.device} and ${word}`);
    else options.device = word;
  }
}

function readConf(text: string, options: InstallOptions): void {
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, key = line, value = ''] = /^([^=]*)=(.*)$/s.exec(line) ?? [];
    const named = WITH_VALUE[`--${key.replaceAll('_', '-')}`];
    if (key === 'device' && value !== '') options.device = value;
    else if (named && !key.includes('-')) options[named] = value;
    else if (key === 'keep_state' && /^(yes|no)$/.test(value)) options.keepState ||= value === 'yes';
    else if (key === 'erase_pool' && /^(yes|no)$/.test(value)) options.erasePool ||= value === 'yes';
    else if (key === 'erase_state' && /^(yes|no)$/.test(value)) options.eraseState ||= value === 'yes';
    else if (key === 'after') {
      if (value !== 'reboot' && value !== 'poweroff')
        throw new WrongUsage(`after the installation: reboot or poweroff, not '${value}'`);
      options.after = value;
    } else throw new WrongUsage(`${INSTALL_CONF}: unknown setting ${key}=${value}`);
  }
}
