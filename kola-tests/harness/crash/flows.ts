import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { badInput, Failure } from '../../../sdk/lib/errors.ts';
import { runCommand } from '../../../sdk/tool.ts';
import { createCluster, planCluster } from '../machine/cluster.ts';
import type { Lab } from '../machine/lab.ts';
import type { Machine } from '../machine/machine.ts';
import type { Verdict } from './check.ts';
import { readLog } from './log.ts';
import type { Recording } from './survey.ts';

/** Something that writes a disk, and at every moment leaves it so that the machine comes up. */
export interface Flow {
  readonly name: string;
  /** One sentence. */
  readonly what: string;
  /** Does it on a machine whose disk `target` is recorded once `record` was called. Returns root hashes that may boot. */
  run(box: Machine, record: () => Promise<void>, usrHash: string): Promise<readonly string[]>;
  /** Whether the machine may find nothing on the disk, and boot something else. */
  readonly mayBeEmpty: boolean;
}

/** MiB: room for the plan, and a bit of the owner's. */
const TARGET = 8192;
const BLOCK = 512;

const INSTALL = 'draisine-install --yes';

/**
 * Makes of an installed release an older one that boots as well: the same /usr under another root hash, since the hash
 * tree has another salt. `$disk` is the disk. Prints the root hash.
 */
const AGE = `
set -e
node=$(readlink -f $disk)
mount $disk-part1 /mnt
uki=$(echo /mnt/EFI/Linux/draisine_*.efi)
new=$(grep -aom1 'usrhash=[0-9a-f]*' $uki | cut -d= -f2)
version=$(basename $uki .efi); version=\${version#draisine_}
blocks=$(veritysetup dump $disk-part3 | sed -n 's/^Data blocks:[[:space:]]*//p')
old=$(veritysetup format --salt=00 --data-blocks=$blocks $disk-part2 $disk-part3 | sed -n 's/^Root hash:[[:space:]]*//p')
# The year before, with as many characters: nothing in the file moves.
older=$(echo $version | sed 's/./1/')
sed "s/$new/$old/g; s/$version/$older/g" $uki >/mnt/EFI/Linux/draisine_$older.efi
rm $uki
umount /mnt
guid() { echo $1 | sed 's/\\(.\\{8\\}\\)\\(.\\{4\\}\\)\\(.\\{4\\}\\)\\(.\\{4\\}\\)/\\1-\\2-\\3-\\4-/'; }
sgdisk --partition-guid=2:$(guid $(echo $old | cut -c1-32)) --partition-guid=3:$(guid $(echo $old | cut -c33-64)) \\
  --change-name=2:draisine_usr_$older --change-name=3:draisine_usr_verity_$older $node >/dev/null
udevadm settle
mount $disk-part6 /mnt && mkdir -p /mnt/var/lib && echo kept >/mnt/var/lib/kept && umount /mnt
sync
echo $old`;

export const FLOWS: readonly Flow[] = [
  {
    name: 'install',
    what: 'draisine-install onto a blank disk, with a state partition',
    mayBeEmpty: true,
    run: async (box, record, usrHash) => {
      await record();
      await box.succeed(`${INSTALL} --state-size 4Gi ${box.disk('target')}`, { seconds: 120 });
      return [usrHash];
    },
  },
  {
    name: 'keep-state',
    what: 'draisine-install --keep-state onto a disk with an older release',
    mayBeEmpty: false,
    run: async (box, record, usrHash) => {
      const disk = box.disk('target');
      await box.succeed(`${INSTALL} --state-size 4Gi ${disk}`, { seconds: 120 });
      const old = await box.succeed(`disk=${disk}\n${AGE}`, { seconds: 120 });
      await record();
      await box.succeed(`${INSTALL} --keep-state ${disk}`, { seconds: 120 });
      return [old, usrHash];
    },
  },
];

export function flowNamed(name: string): Flow {
  const found = FLOWS.find((flow) => flow.name === name);
  if (!found)
    throw badInput(`there is no flow ${name}`, {
      hint: `there are: ${FLOWS.map((each) => each.name).join(', ')}`,
    });
  return found;
}

export interface Recorded {
  readonly recording: Recording;
  /** Root hashes of the releases that may boot. */
  readonly releases: readonly string[];
  close(): void;
}

/** Runs a flow on a fork, and records what it writes. Files go to `dir`. */
export async function recordFlow(lab: Lab, flow: Flow, dir: string): Promise<Recorded> {
  const definition = {
    name: `crash.${flow.name}`,
    machines: { box: { disks: [{ name: 'target', size: TARGET }] } },
  };
  const cluster = await createCluster(lab, planCluster(definition));
  const { box } = cluster.machines;
  if (!box) throw new Failure(`${flow.name} has no machine`);
  const base = join(dir, 'base.raw');
  const log = join(dir, 'log');
  try {
    await cluster.start();
    const releases = await flow.run(
      box,
      async () => await record(lab, box, { base, log }),
      lab.image.usrHash,
    );
    await box.unplug('target');
    if (!existsSync(log)) throw new Failure(`${flow.name} recorded nothing`);
    const [baseFd, logFd] = [openSync(base, 'r'), openSync(log, 'r')];
    return {
      recording: { base: { fd: baseFd, size: TARGET << 20 }, log: readLog(logFd, log), logFd, block: BLOCK },
      releases,
      close: () => {
        closeSync(baseFd);
        closeSync(logFd);
      },
    };
  } finally {
    await cluster.dispose();
  }
}

/** Takes the disk out, copies what is on it, and puts it back, recorded. */
async function record(
  lab: Lab,
  box: Machine,
  { base, log }: { readonly base: string; readonly log: string },
): Promise<void> {
  await box.unplug('target');
  await runCommand(
    lab.emulator.img(['convert', '-q', '-f', 'qcow2', '-O', 'raw', box.diskFile('target'), base]),
    'qemu-img',
  );
  await box.record('target', log);
  await box.plug('target');
}

/** Why a verdict must not be. */
export function wrongFor(flow: Flow, releases: readonly string[]): (verdict: Verdict) => string | undefined {
  return (verdict) => {
    if (verdict.boots === 'broken') return verdict.why;
    if (verdict.boots === 'nothing') return flow.mayBeEmpty ? undefined : `nothing boots: ${verdict.why}`;
    return releases.includes(verdict.root) ? undefined : `${verdict.file} is none of the releases`;
  };
}
