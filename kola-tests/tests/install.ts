import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { startServe } from '../harness/guest/draisine.ts';
import { EMPTY_CONFIG, type IgnitionConfig } from '../harness/guest/ignition.ts';
import { runsFrom } from '../harness/guest/installed.ts';
import { softly } from '../harness/guest/soft.ts';
import { ignitionText } from '../harness/machine/boot.ts';
import { bootEntry } from '../harness/machine/boot-menu.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

/* draisine-install: which disk it takes, and whether the installed system boots. */

/** Enough for the partitions of the plan, and some space for the owner. */
const TARGET = 8192;
/** The number of power cuts in `install.power-cut`. Each one costs a boot. */
const CUTS = Number(process.env.DRAISINE_POWER_CUTS ?? 2);
/** The seconds that an installation may take on a machine of native speed, without reboots. */
const WORK_SECONDS = 30;

const named = (name: string, files: readonly object[] = []): IgnitionConfig => ({
  ignition: { version: '3.3.0' },
  storage: {
    files: [{ path: '/etc/hostname', overwrite: true, contents: { source: `data:,${name}` } }, ...files],
  },
});

/** Installs without a question. Returns the output. */
async function install(box: Machine, words: string): Promise<string> {
  return await box.succeed(`draisine-install --yes ${words} 2>&1`, { seconds: 60 });
}

/** Starts an installation, and returns while it runs. */
async function beginInstall(box: Machine, words: string): Promise<void> {
  await box.succeed(
    `systemd-run --quiet --unit=install sh -c 'draisine-install --yes ${words}; sleep infinity'`,
  );
}

/** Reads all of the installed /usr with `veritysetup verify`. The running system's dm-verity device says the root hash. */
async function usrIsWhole(box: Machine, disk: string): Promise<void> {
  await box.succeed(
    `root=$(dmsetup table usr | cut -d ' ' -f 12)
     node() { lsblk --noheadings --list --paths --output NAME,PARTUUID ${disk} | tr -d - | sed -n "s/ *$1.*//p"; }
     veritysetup verify "$(node "$(printf %.32s "$root")")" "$(node "\${root#????????????????????????????????}")" "$root"`,
    { seconds: 60 },
  );
}

register(
  {
    name: 'install.refused',
    what: 'The installer refuses every harmful disk and option, and leaves the disk untouched.',
    machines: {
      box: {
        disks: [
          { name: 'small', size: 4096 },
          { name: 'read-only', artifact: 'oci-busybox' },
          { name: 'mounted', size: TARGET },
          { name: 'held', size: TARGET },
          { name: 'pooled', size: TARGET },
          { name: 'free', size: TARGET, serial: 'free-disk' },
        ],
      },
    },
    timeout: 240,
  },
  async (_t, { box }) => {
    const at = (name: string) => box.disk(name);
    await box.succeed(`
      mkfs.ext4 -q -F ${at('mounted')} && mount ${at('mounted')} /mnt
      echo "0 2048 linear ${at('held')} 0" | dmsetup create keeper
      zpool create tank ${at('pooled')}
      echo '{"ignition": {"version": "3.3.0"}, "storage": {"files": [{"path": "relative"}]}}' >/root/bad.ign`);
    const before = await box.succeed(`head -c 4M ${at('free')} | sha256sum`);
    const refused =
      (words: string, why: RegExp, code = 1) =>
      async () => {
        const { code: got, stderr } = await box.execute(`draisine-install ${words} </dev/null`);
        assert.match(stderr, why);
        assert.equal(got, code, stderr);
      };
    const system = '/dev/disk/by-id/virtio-system';
    await softly(box, {
      'the disk it booted from': refused(system, /vda is the boot disk of this system$/m),
      small: refused(at('small'), /is too small: it must have 6 GiB$/m),
      'read-only': refused(at('read-only'), /is read-only$/m),
      mounted: refused(at('mounted'), /is in use at \/mnt$/m),
      'held by a device': refused(at('held'), /is part of keeper \(\w+\), which is in use$/m),
      'an imported pool': refused(`--yes --erase-pool ${at('pooled')}`, /ZFS pool that is imported/),
      'no such disk': refused('/dev/disk/by-id/ata-nothing', /there is no disk .*ata-nothing\. There are:\n/),
      'a partition': refused(`${system}-part1`, /is a partition: name its disk$/m),
      'no disk': refused('/dev/null', /there is no disk \/dev\/null/),
      'two fit': refused(
        '--size ">=8G"',
        /more than one disk meets the conditions\. Name one:\n(.*\n)*.*free-disk/,
      ),
      'none fits': refused('--serial nobody', /no disk meets the conditions\. There are:\n/),
      'does not meet the conditions': refused(`--size '<1G' ${at('free')}`, /does not meet the conditions/),
      'not a condition': refused('--size 7G', /--size needs a comparison such as >=200G/, 2),
      'too small for that state': refused(
        `--state-size 7Gi ${at('free')}`,
        /is too small: it must have 9 GiB$/m,
      ),
      'no size of a state': refused(
        '--state-size 7G --keep-state',
        /keeps the size of the state partition/,
        2,
      ),
      'not a size': refused('--size ">=7Q"', /not a size: '7Q'/, 2),
      'unknown option': refused('--force', /unknown option --force/, 2),
      'no state to keep': refused(
        `--yes --keep-state ${at('free')}`,
        /no Draisine on vd[a-z] whose state could be kept/,
      ),
      'a config that is not valid': refused(
        `--yes --config /root/bad.ign ${at('free')}`,
        /bad\.ign is not valid:\n.*error at \$\.storage\.files\.0\.path/,
      ),
      'no config': refused(
        `--yes --config /root/none.ign ${at('free')}`,
        /there is no machine config \/root\/none\.ign/,
      ),
      'not confirmed': refused('--serial free-disk', /not confirmed, and nothing was done/),
      'nobody answers': refused('', /no answer/),
      'a pool that is not imported': async () => {
        await box.succeed('zpool export tank');
        await refused(`--yes ${at('pooled')}`, /belongs to the ZFS pool tank: --erase-pool erases it/)();
        await box.succeed('zpool import tank && zpool status -x tank');
      },
    });
    assert.equal(await box.succeed(`head -c 4M ${at('free')} | sha256sum`), before, 'the disk was touched');
    await box.succeed('umount /mnt && dmsetup remove keeper && zpool destroy tank');
  },
);

// A live medium whose command line does not ask for an installation, and a person at its console. Every answer except
// for the right one leaves the disk unchanged.
register(
  {
    name: 'install.asked',
    what: 'The installer at the console erases a disk only after its name was typed.',
    machines: { box: { disks: [{ name: 'free', size: TARGET, serial: 'free-disk' }] } },
  },
  async (_t, { box }) => {
    const { console } = box.vm();
    const answer = async (question: RegExp, line: string): Promise<void> => {
      const since = console.position();
      console.write(`${line}\n`);
      await box.waitForConsole(question, { seconds: 30, since });
    };
    const before = await box.succeed(`head -c 4M ${box.disk('free')} | sha256sum`);
    const name = await box.succeed(`basename "$(readlink -f ${box.disk('free')})"`);
    const which = /free-disk[\s\S]*Install Draisine on which disk\? $/;

    await box.succeed('systemctl start --no-block draisine-install@ttyS0.service');
    await box.waitForConsole(which, { seconds: 30 });
    await answer(/no disk was named, and nothing was done[\s\S]*on which disk\? $/, '');
    await answer(/there is no disk nonsense\. There are:[\s\S]*on which disk\? $/, 'nonsense');
    await answer(
      new RegExp(`All of this will be erased:[\\s\\S]*Type the name of the disk, ${name}, to go on: $`),
      name,
    );
    await answer(/not confirmed, and nothing was done[\s\S]*on which disk\? $/, 'yes');
    assert.equal(
      await box.succeed(`head -c 4M ${box.disk('free')} | sha256sum`),
      before,
      'the disk was touched',
    );

    await answer(/to go on: $/, name);
    await answer(/writing \/usr to /, name);
    await box.crash();
  },
);

// One test has all cases, because a machine with an installed disk and the medium takes long to make.
register(
  {
    name: 'install.boot',
    what: 'An installation boots, can be repeated with its state kept, and survives a power cut.',
    machines: {
      box: { disks: [{ name: 'target', size: TARGET, bus: 'nvme', blockSize: 4096, bootFirst: true }] },
    },
    timeout: 480,
  },
  async (t, { box }) => {
    const target = box.disk('target');
    await box.copyTo(Buffer.from(ignitionText(named('installed'))), '/root/machine.ign');
    await box.succeed('echo medium >/etc/hostname && cat /usr/bin/* >/dev/null'); // warm
    const seconds = Number(
      await box.succeed(
        `before=$(date +%s)
         printf '%s\\n' nvme0n1 | draisine-install --config /root/machine.ign --serial target >/root/said 2>&1 || { cat /root/said >&2; exit 1; }
         echo $(($(date +%s) - before))`,
        { seconds: 60 },
      ),
    );
    t.diagnostic(`installed in ${seconds} s`);
    assert.match(await box.succeed('cat /root/said'), /Draisine .* is on nvme0n1\.\nRemove the medium/);
    // From now on the firmware boots this disk first.
    await box.succeed(`
      efi=/sys/firmware/efi/efivars guid=8be4df61-93ca-11d2-aa0d-00e098032b8c
      first=$(od -An -t x1 -j 4 -N 2 $efi/BootOrder-$guid | awk '{ print toupper($2 $1) }')
      tr -d '\\0' <$efi/Boot$first-$guid | grep -aq Draisine`);
    await usrIsWhole(box, target);

    // The medium is still plugged in. The only config is on the disk's own ESP.
    await box.configure(undefined);
    await box.reboot();
    assert.equal(await box.succeed('hostname'), 'installed');
    assert.deepEqual(await runsFrom(box), { root: 'nvme0n1', usr: 'nvme0n1' });
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    assert.equal(
      await box.succeed('lsblk --noheadings --raw --output PARTLABEL /dev/nvme0n1 | grep -c .'),
      '6',
    );
    assert.match(
      await box.succeed('readlink /dev/disk/draisine/esp /dev/disk/draisine/state'),
      /nvme0n1p1\n.*nvme0n1p6/,
    );
    assert.match(await box.fail(`draisine-install ${target}`), /is the boot disk of this system/);
    await box.succeed('echo kept >/var/lib/kept && sync');
    await box.unplug('system');
    await box.succeed('sha256sum /usr/bin/* >/dev/null && echo more >>/var/lib/kept && sync');

    // The medium boots with its own state, whatever is on the disk.
    await box.crash();
    await box.unplug('target');
    await box.plug('system');
    await box.start();
    await box.plug('target');
    assert.equal(await box.succeed('hostname'), 'medium');
    assert.deepEqual(await runsFrom(box), { root: 'vda', usr: 'vda' });

    // The same release goes into its slot again. A damaged UKI is repaired, and the state stays.
    await box.succeed(`mount ${target}-part1 /mnt && truncate -s 1M /mnt/EFI/Linux/*.efi && umount /mnt`);
    assert.match(await install(box, `--keep-state ${target}`), /Draisine .* is on nvme0n1/);
    await usrIsWhole(box, target);
    await box.succeed(`mount -o ro ${target}-part6 /mnt && grep -qx more /mnt/var/lib/kept && umount /mnt`);
    const uki = (device: string) =>
      `mount -o ro ${device} /mnt && sha256sum </mnt/EFI/Linux/draisine_*.efi && umount /mnt`;
    assert.equal(await box.succeed(uki(`${target}-part1`)), await box.succeed(uki('/dev/disk/draisine/esp')));

    // The disk is one of 0.1.0, the version of all images before there were updates. The slot that it boots from is not touched.
    await box.succeed(`
      set -e
      node=$(readlink -f ${target})
      sgdisk --partition-guid=2:R --partition-guid=3:R $node >/dev/null
      sgdisk --change-name=2:draisine_usr_0.1.0 --change-name=3:draisine_usr_verity_0.1.0 $node >/dev/null
      udevadm settle
      old=$(lsblk --noheadings --output PARTUUID \${node}p2 | tr -d -)
      head -c 16M /dev/urandom | dd of=\${node}p2 conv=notrunc status=none
      head -c 1M \${node}p2 | sha256sum >/root/slot
      mount \${node}p1 /mnt
      rm /mnt/EFI/Linux/*.efi
      echo "usrhash=\${old}00000000000000000000000000000000 " >/mnt/EFI/Linux/draisine_0.1.0.efi
      umount /mnt`);
    await install(box, `--keep-state ${target}`);
    await usrIsWhole(box, target);
    await box.succeed(`
      set -e
      node=$(readlink -f ${target})
      [ "$(head -c 1M \${node}p2 | sha256sum)" = "$(cat /root/slot)" ]
      lsblk --noheadings --output PARTLABEL \${node}p4 | grep -x 'draisine_usr_[0-9].*'
      mount -o ro \${node}p1 /mnt && ls /mnt/EFI/Linux >/root/entries && umount /mnt
      grep -x draisine_0.1.0.efi /root/entries && grep -c . /root/entries | grep -x 2`);

    // The power fails while the release is installed once more. The disk still boots, with its state.
    await beginInstall(box, `--keep-state ${target}`);
    t.diagnostic(`power cut after ${await box.crashWithin(WORK_SECONDS / 2)} ms`);
    await box.configure(undefined);
    await box.start();
    assert.deepEqual(await runsFrom(box), { root: 'nvme0n1', usr: 'nvme0n1' });
    assert.equal(await box.succeed('systemctl is-system-running; cat /var/lib/kept'), 'running\nkept\nmore');
  },
);

/**
 * Turns off discard for the eMMC. QEMU erases an eMMC block by block, at 7 MB/s, and systemd-repart erases partitions
 * before it uses them. The installed system needs it in its initrd as well (systemd-debug-generator(8)).
 */
const NEVER_ERASED = 'echo 0 >/sys/block/mmcblk0/queue/discard_max_bytes';
const dropIn = Buffer.from(`[Service]\nExecStartPre=-/bin/sh -c '${NEVER_ERASED}'\n`).toString('base64');

// Soldered flash (eMMC) with its boot partitions. OVMF cannot boot from it, so QEMU loads the kernel itself.
register(
  {
    name: 'install.emmc',
    long: 'boots through the firmware, installs, and boots again: minutes under emulation; install.boot does so in the gate',
    what: 'The system installs itself onto soldered flash and boots from it.',
    machines: {
      box: {
        start: 'fresh',
        firmware: 'none',
        disks: [{ name: 'target', size: TARGET, bus: 'emmc' }],
        kernelArguments: `systemd.set_credential_binary=systemd.unit-dropin.draisine-repart.service:${dropIn}`,
      },
    },
    timeout: 400,
  },
  async (_t, { box }) => {
    await box.succeed(`${NEVER_ERASED} && test -b /dev/mmcblk0boot0`);
    await box.waitForFile(box.disk('target'));
    assert.match(await install(box, '--size ">=7G" --state-size 5Gi'), /Draisine \S+ is on mmcblk0\./);
    await box.poweroff();
    await box.unplug('system');
    await box.start();
    assert.deepEqual(await runsFrom(box), { root: 'mmcblk0', usr: 'mmcblk0' });
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    assert.match(await box.succeed('readlink -f /dev/disk/draisine/state'), /mmcblk0p6/);
    assert.equal(await box.succeed('blockdev --getsize64 /dev/disk/draisine/state'), `${5 * 2 ** 30}`);
  },
);

/** Waits for the end of an unattended installation: the console reports it, and the machine switches itself off. */
async function installed(box: Machine, on: RegExp): Promise<void> {
  await box.waitForConsole(on, { seconds: 200 });
  await box.goesDown('poweroff');
}

// A machine without a medium. The command line from the server makes it install itself onto its only disk.
register(
  {
    name: 'install.from-pxe',
    long: 'boots through the firmware, installs, and boots again: minutes under emulation; install.boot does so in the gate',
    what: 'A machine that boots from the network installs itself onto its disk.',
    machines: { box: { memory: 768, start: 'off', disks: [{ name: 'target', size: TARGET }] } },
    config: EMPTY_CONFIG,
    timeout: 400,
  },
  async (_t, { box }) => {
    const server = await startServe(
      dirname(await box.artifact('boot.ipxe')),
      ...['--args', `${box.kernelArguments} draisine.install=auto,poweroff`],
    );
    try {
      box.netboot({ by: 'ipxe', url: `${server.url}boot.ipxe` });
      await box.powerOn();
      await installed(box, /Draisine \S+ is on vda\./);
    } finally {
      await server.close();
    }
    await box.unplug('system');
    box.useFirmware('uefi');
    await box.start();
    assert.deepEqual(await runsFrom(box), { root: 'vda', usr: 'vda' });
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
  },
);

register(
  {
    name: 'install.power-cut',
    long: 'a series of power cuts, each with a boot; install.boot has one',
    what: 'A power cut during an installation leaves either the medium or the new system to boot.',
    machines: { box: { disks: [{ name: 'target', size: TARGET, bootFirst: true }] } },
    timeout: 150 + CUTS * 150,
  },
  async (t, { box }) => {
    for (let cut = 1; cut <= CUTS; cut += 1) {
      if ((await runsFrom(box)).root !== 'vda') {
        // The installation was complete, and the new system has booted. Without a partition table on the disk, the firmware
        // boots the medium again.
        await box.succeed(
          `dd if=/dev/zero of=${box.disk('target')} bs=1M count=4 oflag=direct conv=notrunc 2>&1`,
        );
        await box.crash();
        await box.start();
      }
      await beginInstall(box, box.disk('target'));
      // Each second cut waits for the installer to write the boot loader: that step is short, and a random time would miss it.
      const late = cut % 2 === 0;
      if (late)
        await box.waitUntilSucceeds('journalctl --unit=install | grep "writing the boot loader"', {
          seconds: 60,
        });
      const moment = await box.crashWithin(late ? WORK_SECONDS / 5 : WORK_SECONDS / 2);
      t.diagnostic(`power cut ${cut} after ${late ? 'the slot and ' : ''}${moment} ms`);
      await box.start();
      assert.equal(await box.succeed('systemctl is-system-running'), 'running');
      const { root, usr } = await runsFrom(box);
      assert.equal(root, usr);
      t.diagnostic(root === 'vda' ? 'the medium again' : 'the new system');
    }
    if ((await runsFrom(box)).root === 'vda') {
      await install(box, box.disk('target'));
      await usrIsWhole(box, box.disk('target'));
    }
  },
);

// Two copies of one disk image have the same UUIDs. So the firmware's report does not tell which copy was booted, nor, in
// a live boot without another config, whose config counts.
register(
  {
    name: 'install.copies',
    long: 'boots through the firmware, installs, and boots again: minutes under emulation; install.boot does so in the gate',
    what: 'Two disks with the same image stop the boot with a clear message.',
    machines: { box: { start: 'off', disks: [{ name: 'copy', artifact: 'disk' }] } },
  },
  async (_t, { box }) => {
    const copies = /these disks are copies of each other, .*: vd[ab] vd[ab] *\r?\nRemove one/;
    assert.match(await box.bootFails(), copies);
    await box.configure(undefined);
    await bootEntry(box, 1);
    await box.waitForConsole(copies, { seconds: 60 });
    await box.crash();
  },
);
