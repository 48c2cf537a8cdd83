import assert from 'node:assert/strict';
import type { Flow } from '../harness/crash/flow.ts';
import type { Machine } from '../harness/machine/machine.ts';

/* Installations. The harness records the disk that gets the installation. */

const INSTALL = 'draisine-install --yes';

/**
 * Turns an installed release into an older one that boots as well. /usr stays the same. Its hash tree gets another salt,
 * and so another root hash. `$disk` is the disk.
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
# An earlier year with the same number of characters, so that the sizes in the file stay.
older=$(echo $version | sed 's/./1/')
sed "s/$new/$old/g; s/$version/$older/g" $uki >/mnt/EFI/Linux/draisine_$older.efi
rm $uki
umount /mnt
guid() { echo $1 | sed 's/\\(.\\{8\\}\\)\\(.\\{4\\}\\)\\(.\\{4\\}\\)\\(.\\{4\\}\\)/\\1-\\2-\\3-\\4-/'; }
sgdisk --partition-guid=2:$(guid $(echo $old | cut -c1-32)) --partition-guid=3:$(guid $(echo $old | cut -c33-64)) \\
  --change-name=2:draisine_usr_$older --change-name=3:draisine_usr_verity_$older $node >/dev/null
udevadm settle
# The state of this machine, which is provisioned: a first boot would empty the partition. Its /etc lies below another mount.
mkdir -p /run/own && mount --bind / /run/own && mount $disk-part6 /mnt
cp -ax /run/own/. /mnt/ && echo kept >/mnt/var/lib/kept
umount /mnt /run/own
# A partition of the owner, behind the state partition.
sgdisk --new=7:0:+64M --typecode=7:8300 --change-name=7:owner $node >/dev/null
udevadm settle
mkfs.ext4 -q -L owner $disk-part7 && mount $disk-part7 /mnt && echo mine >/mnt/file && umount /mnt
sync`;

async function ownFilesAreThere(box: Machine): Promise<void> {
  const found = await box.succeed(
    'mount -o ro /dev/disk/by-partlabel/owner /mnt && cat /var/lib/kept /mnt/file && umount /mnt',
  );
  assert.equal(found, 'kept\nmine');
}

/** Installs a release on the recorded disk, with files of its owner, and turns it into an older one. */
async function installOlder(box: Machine): Promise<void> {
  const disk = box.disk('target');
  await box.succeed(`${INSTALL} --state-size 4Gi ${disk}`, { seconds: 120 });
  await box.succeed(`disk=${disk}\n${AGE}`, { seconds: 120 });
}

const target = { name: 'target', size: 8192 } as const;

/** The flows of installing. */
export const INSTALLING: readonly Flow[] = [
  {
    name: 'install',
    what: 'draisine-install onto a blank disk, with a state partition',
    disks: [target],
    recorded: 'target',
    ends: 'uki',
    mayBeEmpty: true,
    run: async (box, { record }) => {
      await record();
      await box.succeed(`${INSTALL} --state-size 4Gi ${box.disk('target')}`, { seconds: 120 });
    },
  },
  {
    name: 'reinstall',
    what: 'draisine-install onto a disk with an older release, which is erased',
    disks: [target],
    recorded: 'target',
    ends: 'uki',
    mayBeEmpty: true,
    others: 'erased',
    run: async (box, { record }) => {
      await installOlder(box);
      await record();
      await box.succeed(`${INSTALL} --state-size 4Gi ${box.disk('target')}`, { seconds: 120 });
    },
  },
  {
    name: 'keep-state',
    what: 'draisine-install --keep-state onto a disk with an older release',
    disks: [target],
    recorded: 'target',
    ends: 'uki',
    mayBeEmpty: false,
    others: 'untouched',
    comesUp: ownFilesAreThere,
    run: async (box, { record }) => {
      await installOlder(box);
      await record();
      await box.succeed(`${INSTALL} --keep-state ${box.disk('target')}`, { seconds: 120 });
    },
  },
];
