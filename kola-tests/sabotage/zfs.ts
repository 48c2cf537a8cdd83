import { setTimeout as sleep } from 'node:timers/promises';
import { deafTo, inPlaceOf } from '../fixtures/lying.ts';
import type { Sabotage } from '../harness/run/sabotage.ts';

/** Faults of pools and datasets. */
const sabotages: readonly Sabotage[] = [
  {
    name: 'zfs.module-removed',
    what: 'the ZFS module cannot be loaded',
    tests: ['zfs.mirror', 'zfs.arc-cap', 'system.modules'],
    because: /zpool create|modprobe zfs/,
    guest: "echo 'install zfs /usr/bin/false' >/etc/modprobe.d/00-sabotage.conf",
  },
  {
    name: 'zfs.arc-uncapped',
    what: 'the ARC may take most of the memory',
    tests: ['zfs.arc-cap'],
    because: /the ARC may grow to/,
    guest: "echo 'options zfs zfs_arc_max=402653184' >/etc/modprobe.d/00-sabotage.conf",
  },
  {
    name: 'zfs.no-import',
    what: 'pools are not imported at boot',
    tests: ['boot.second'],
    because: /zpool list|zfs\.target/,
    guest: 'systemctl mask --quiet draisine-zpool-import.service',
  },
  {
    name: 'zfs.disk-corrupts',
    what: 'a disk of the mirror returns other bytes than were written',
    tests: ['zfs.mirror'],
    because: /scrub repaired 0B/,
    during: async ({ box }, signal) => {
      await box?.waitForFile('/tank/data/blob');
      // Damages the disk between its first labels and the end of the test's data, until the scrub has read the damage.
      while (!signal.aborted && box?.isOn()) {
        await box.corrupt('left', 8 << 20, 32 << 20);
        await sleep(2000);
      }
    },
  },
  {
    name: 'zfs.no-checksums',
    what: 'a pool has no checksums of its data',
    tests: ['zfs.scrub-heals', 'zfs.health'],
    because: /^AssertionError/,
    guest: deafTo('zpool', 'create) args+=(create -O checksum=off) ;;'),
  },
  {
    name: 'zfs.no-rollback',
    what: 'a rollback changes nothing',
    tests: ['zfs.snapshot-rollback'],
    because: /^AssertionError.*'two'/s,
    guest: deafTo('zfs', 'rollback) exit 0 ;;'),
  },
  {
    name: 'zfs.properties-stay',
    what: 'a transfer leaves out the properties of the dataset',
    tests: ['zfs.send-receive'],
    because: /^AssertionError.*'zstd'/s,
    guest: deafTo('zfs', '--props) ;;'),
  },
  {
    name: 'zfs.in-the-open',
    what: 'an encrypted dataset is stored in the open',
    tests: ['zfs.encryption'],
    because: /should have failed: grep/,
    guest: deafTo(
      'zfs',
      'encryption=*) args+=(compression=off) ;;\n    keyformat=*) args+=(atime=off) ;;\n    pbkdf2iters=*) args+=(exec=on) ;;',
    ),
  },
  {
    name: 'zfs.no-quota',
    what: 'quotas are not set',
    tests: ['zfs.quota'],
    because: /should have failed: dd/,
    guest: deafTo('zfs', 'quota=*) args+=(quota=none) ;;'),
  },
  {
    name: 'zfs.volume-without-name',
    what: 'udev makes no links for volumes of a pool',
    tests: ['zfs.zvol'],
    because: /\/dev\/zvol\/tank\/volume/,
    limitFactor: 0.1,
    guest:
      'mkdir -p /etc/udev/rules.d && ln -s /dev/null /etc/udev/rules.d/60-zvol.rules && udevadm control --reload',
  },
  {
    name: 'zfs.single-parity',
    what: 'a pool can lose one disk instead of two',
    tests: ['zfs.raidz2'],
    because: /zpool offline/,
    guest: deafTo('zpool', 'raidz2) args+=(raidz1) ;;'),
  },
  {
    name: 'zfs.no-parity',
    what: 'a pool cannot lose any disk',
    tests: ['zfs.raidz1'],
    because: /zpool import/,
    guest: deafTo('zpool', 'raidz1) ;;'),
  },
  {
    name: 'zfs.no-event-daemon',
    what: 'the event daemon of ZFS, which starts spares, does not run',
    tests: ['zfs.spare'],
    because: /zfs-zed\.service/,
    limitFactor: 0.1,
    guest: 'systemctl mask --now --quiet zfs-zed.service',
  },
  {
    name: 'zfs.half-resilvered',
    what: 'the replacement of a disk does not wait for its data',
    tests: ['zfs.degraded'],
    because: /^AssertionError.*'(DEGRADED|ONLINE)'/s,
    guest: inPlaceOf('zpool', '[ "$1" = replace ] && exit 0\nexec "$real" "$@"'),
  },
  {
    name: 'zfs.same-host',
    what: 'all machines have the same host id, so each of them takes the pools of others',
    tests: ['zfs.moves'],
    because: /last accessed by another system/,
    guest: 'modprobe zfs && echo 7 >/sys/module/spl/parameters/spl_hostid',
  },
  {
    name: 'zfs.eager-upgrade',
    what: 'an import enables features that an older system cannot read',
    tests: ['zfs.old-features'],
    because: /^AssertionError.*'disabled'/s,
    guest: inPlaceOf(
      'zpool',
      '"$real" "$@" || exit\nif [ "$1" = import ]; then "$real" upgrade "$2" >/dev/null; fi',
    ),
  },
  {
    name: 'zfs.key-refused',
    what: 'the other machine refuses the key of the transfer',
    tests: ['zfs.send-to-machine'],
    because: /Permission denied/,
    guest: `mkdir -p /etc/ssh/sshd_config.d && echo 'PubkeyAuthentication no' >/etc/ssh/sshd_config.d/00-sabotage.conf
      systemctl restart ssh.service`,
  },
];

export default sabotages;
