import { withReadable } from '../disk/mount.ts';
import { configFaults } from '../install/config.ts';
import { kernelArgument, kernelWords } from '../install/options.ts';
import { type Box, BoxError, mustRun, removeTree, whyFailed } from '../io/box.ts';
import { type Effects, effectsOf, MOST_BYTES, UNKNOWN } from './effects.ts';

/** The machine config of the next first boot. */
export interface FoundConfig extends Effects {
  /** Its place, in the initrd's words. */
  readonly where: string;
  /** False for an address that only the initrd can reach: its content is unknown. */
  readonly seen: boolean;
}

type Place = Omit<FoundConfig, keyof Effects>;

const FOLDER = '/run/draisine/reset';
const CONFIG = `${FOLDER}/ignition.ign`;
const FW_CFG = '/sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw';
const ESP = '/dev/disk/draisine/esp';
const BAKED = '/usr/lib/draisine/ignition.ign';

/**
 * Looks for a machine config in the initrd's places and order (its script first-boot,
 * docs/machine-config.md), and has Ignition check it.
 * Throws if the initrd would stop, or if Ignition refuses the config. Undefined if there is none.
 */
export function findConfig(box: Box): FoundConfig | undefined {
  removeTree(box, FOLDER);
  box.makeFolder(FOLDER, 0o700);
  try {
    const url = kernelArgument(kernelWords(box), 'ignition.config.url');
    const found = url === undefined ? look(box) : fetchConfig(box, url);
    if (!found?.seen) return found && { ...found, ...UNKNOWN };
    // Ignition takes an empty file for no config, so nobody could log in afterwards.
    const size = box.stat(CONFIG)?.size ?? 0;
    if (size === 0)
      throw new BoxError('the machine config that a reset would take is an empty file', {
        where: found.where,
        hint: 'write it again, and eject the stick before you pull it out',
      });
    const faults = configFaults(box, CONFIG);
    if (faults === undefined) {
      const effects = size > MOST_BYTES ? UNKNOWN : effectsOf(box.readText(CONFIG));
      return { ...found, ...effects };
    }
    throw new BoxError(`the machine config that a reset would take is not valid:\n${faults.join('\n')}`, {
      where: found.where,
      hint: './draisine ignition validate shows the faults',
    });
  } finally {
    removeTree(box, FOLDER);
  }
}

function look(box: Box): Place | undefined {
  box.run(['modprobe', '-q', 'qemu_fw_cfg']);
  if (take(box, FW_CFG)) return { where: 'QEMU fw_cfg opt/com.coreos/config', seen: true };
  const labelled = lookAtLabelled(box);
  if (labelled !== undefined) return { where: `ignition.ign on ${labelled}`, seen: true };
  if (box.stat(ESP) !== undefined && takeFrom(box, ESP))
    return { where: `ignition.ign on ${ESP}`, seen: true };
  return take(box, BAKED) ? { where: `${BAKED}, baked into the image`, seen: true } : undefined;
}

function take(box: Box, path: string, to = CONFIG): boolean {
  if (box.stat(path) === undefined) return false;
  mustRun(box, `cannot read ${path}`, ['cp', path, to]);
  return true;
}

const takeFrom = (box: Box, device: string, to = CONFIG): boolean =>
  withReadable(box, device, (folder) => take(box, `${folder}/ignition.ign`, to));

/**
 * The partition labelled IGNITION with a config. Two of them with different configs stop the boot, and a
 * reset.
 */
function lookAtLabelled(box: Box): string | undefined {
  let taken: string | undefined;
  const other = `${FOLDER}/other.ign`;
  for (const device of labelledDevices(box)) {
    if (!takeFrom(box, device, taken === undefined ? CONFIG : other)) continue;
    if (taken !== undefined && digest(box, CONFIG) !== digest(box, other))
      throw new BoxError(
        `there are two machine configs on partitions labelled IGNITION: ${taken} and ${device}`,
        { hint: 'remove the one that is not for this machine' },
      );
    taken ??= device;
  }
  return taken;
}

/** Finds partitions by the label of the file system, or by that of the partition table. */
function labelledDevices(box: Box): string[] {
  const command = ['lsblk', '--noheadings', '--raw', '--paths', '--output', 'NAME,LABEL,PARTLABEL'];
  const lines = mustRun(box, 'cannot list disks', command).split('\n');
  const devices = lines.flatMap((line) => /^([^ ]*) (IGNITION .*|[^ ]* IGNITION)$/.exec(line)?.[1] ?? []);
  return [...new Set(devices)].sort();
}

const digest = (box: Box, path: string): string =>
  mustRun(box, `cannot read ${path}`, ['sha256sum', path]).slice(0, 64);

/** Ignition fetches it itself at the boot. Before that, only its present existence can be checked. */
function fetchConfig(box: Box, url: string): Place {
  const where = `${url} (ignition.config.url= on the kernel command line)`;
  if (!/^https?:\/\//.test(url)) return { where, seen: false };
  const limits = ['--location', '--max-time', '60', '--max-filesize', '67108864'];
  const command = ['curl', '--fail', '--silent', '--show-error', ...limits, '--output', CONFIG, '--', url];
  const ran = box.run(command);
  if (ran.code !== 0)
    throw new BoxError(`the machine config cannot be fetched: ${whyFailed(['curl'], ran)}`, { where });
  return { where, seen: true };
}
