import assert from 'node:assert/strict';
import { register } from '../harness/run/register.ts';

/** Each program that gives its caller more rights, with its mode, owner and group. */
const SETUID = `
2755 root _ssh /usr/bin/ssh-agent
2755 root shadow /usr/sbin/unix_chkpwd
4754 root messagebus /usr/lib/dbus-1.0/dbus-daemon-launch-helper
/usr/bin/newgidmap cap_setgid=ep
/usr/bin/newuidmap cap_setuid=ep
`.trim();

register(
  {
    name: 'system.setuid-list',
    what: 'Only the programs on a fixed list give their caller more rights.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    assert.equal(
      await box.succeed(
        "find /usr -xdev -type f -perm /6000 -printf '%m %u %g %p\\n' | LC_ALL=C sort && getcap -r /usr",
      ),
      SETUID,
    );
    assert.equal(
      await box.succeed('find / /etc -xdev -path /var/log/journal -prune -o -perm /6000 -print'),
      '',
      'setuid or setgid outside /usr',
    );
    const programs = Number(await box.succeed('ls /usr/bin /usr/sbin | sort -u | grep -c .'));
    assert.ok(programs <= 320, `${programs} programs in PATH`);
  },
);

register(
  {
    name: 'system.file-owners',
    what: 'No file is writable for everybody, and each file has an owner.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    // Directories that all users may write to are sticky: a user cannot remove the files of others (unlink(2)).
    assert.equal(
      await box.succeed('find / /etc /usr -xdev -perm -o+w ! -type l ! \\( -type d -perm -1000 \\)'),
      '',
      'anybody may write there',
    );
    assert.equal(
      await box.succeed('find / /etc /usr -xdev \\( -nouser -o -nogroup \\)'),
      '',
      'owned by nobody',
    );
    assert.equal(await box.succeed('find /usr ! -user root -o ! -perm -u+r'), '', 'in /usr and not of root');
  },
);

register(
  { name: 'system.no-dead-links', what: 'Every symbolic link of the image has a target.', tags: ['quick'] },
  async (_t, { box }) => {
    // /usr/share/draisine/etc is the lower layer of /etc, so its links are relative to /etc.
    const dead = await box.succeed(
      "find /usr -xdev -path /usr/share/draisine/etc -prune -o -xtype l -printf '%p -> %l\\n'",
    );
    assert.equal(dead, '');
  },
);

register(
  {
    name: 'system.no-package-manager',
    what: 'The image has no package manager, no compiler and no interpreter of a big language.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    const found = await box.succeed(
      'for program in apt apt-get dpkg rpm perl python3 python gcc cc make git; do type -P "$program"; done; ls -d /var/lib/dpkg /var/lib/apt /usr/share/man 2>/dev/null; true',
    );
    assert.equal(found, '');
  },
);

/** Numbers of users and groups. Files on state partitions and in pools carry them, so they must never change. */
const GROUPS = `root:0 daemon:1 bin:2 sys:3 adm:4 tty:5 disk:6 lp:7 mail:8 kmem:15 dialout:20 cdrom:24 tape:26 sudo:27
  audio:29 shadow:42 utmp:43 video:44 staff:50 users:100 systemd-timesync:987 _ssh:988 sgx:989 clock:990 kvm:991
  render:992 input:993 systemd-journal:995 systemd-network:996 systemd-resolve:997 messagebus:999 nogroup:65534`;
const USERS = `root:0:0 daemon:1:1 bin:2:2 sys:3:3 systemd-timesync:987:987 sshd:994:65534 systemd-network:996:996
  systemd-resolve:997:997 messagebus:999:999 nobody:65534:65534`;

register(
  {
    name: 'system.users-pinned',
    what: 'Users and groups keep the numbers that files on disks carry, and no account has a password.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    assert.deepEqual((await box.succeed('cut -d: -f1,3 /etc/group')).split('\n'), GROUPS.split(/\s+/));
    assert.deepEqual((await box.succeed('cut -d: -f1,3,4 /etc/passwd')).split('\n'), USERS.split(/\s+/));
    // No account has a usable password, root included. Only root has a shell.
    assert.match(await box.succeed('cut -d: -f2 /etc/shadow | sort -u'), /^!?\*$/);
    assert.equal(await box.succeed('grep -v nologin$ /etc/passwd | cut -d: -f1,7'), 'root:/bin/bash');
    assert.equal(
      await box.succeed("stat -c '%a %U:%G' /etc/passwd /etc/group /etc/shadow /etc/gshadow"),
      '644 root:root\n644 root:root\n640 root:shadow\n640 root:shadow',
    );
  },
);

register(
  {
    name: 'system.no-shipped-identity',
    what: 'Keys and identities are made on the machine and are not part of the image.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    // All machines have the same image, so it must not contain values that must differ from machine to machine.
    assert.equal(
      await box.succeed(
        "find /usr -xdev \\( -name 'ssh_host_*' -o -name machine-id -o -name random-seed \\) -type f -size +0",
      ),
      '',
    );
    assert.match(await box.succeed('cat /etc/machine-id'), /^[0-9a-f]{32}$/);
    assert.equal(
      await box.succeed("stat -c '%a %U:%G %n' /etc/ssh/ssh_host_*_key /var/lib/systemd/random-seed"),
      '600 root:root /etc/ssh/ssh_host_ed25519_key\n600 root:root /var/lib/systemd/random-seed',
    );
  },
);

register(
  {
    name: 'system.etc-overlay',
    what: 'Changes of /etc are stored apart from the defaults that the image ships.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    const shipped = '/usr/share/draisine/etc';
    assert.equal(await box.succeed('findmnt --noheadings --output FSTYPE /etc'), 'overlay');
    const before = await box.succeed('sha256sum </etc/nftables.conf');
    await box.succeed('echo "# mine" >>/etc/nftables.conf && rm /etc/ethertypes && mkdir /etc/new.d');
    assert.equal(await box.succeed(`sha256sum <${shipped}/nftables.conf`), before);
    await box.fail('test -e /etc/ethertypes');
    await box.succeed(`test -e ${shipped}/ethertypes`);
    await box.fail(`touch ${shipped}/x`);
  },
);

register(
  {
    name: 'system.journal',
    what: 'The journal is on the state partition, only administrators can read it, and its size is limited.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    await box.succeed('echo "a line to keep" | systemd-cat --identifier=kept && journalctl --sync');
    // On the state partition, and for administrators only.
    const dir = `/var/log/journal/${await box.succeed('cat /etc/machine-id')}`;
    assert.match(await box.succeed(`findmnt --noheadings --output SOURCE --target ${dir}`), /^\/dev\/vda/);
    assert.match(
      await box.succeed(`journalctl --directory=${dir} --identifier=kept --output=cat`),
      /^a line to keep$/m,
    );
    assert.equal(await box.succeed(`stat -c '%a %U:%G' ${dir}/system.journal`), '640 root:systemd-journal');
    // The journal also has the messages from before the state partition was mounted.
    assert.match(await box.succeed('journalctl --boot --identifier=ignition --output=cat'), /Stage: files/);
    assert.match(
      await box.succeed(`systemd-analyze cat-config systemd/journald.conf`),
      /^SystemMaxUse=256M$/m,
    );
  },
);

register(
  {
    name: 'system.timers',
    what: 'The machine has exactly the timers of a fixed list, and their services work.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    const timers = JSON.parse(await box.succeed('systemctl list-timers --all --output=json')) as {
      unit: string;
      activates: string;
      next: number;
    }[];
    assert.deepEqual(
      timers.map(({ unit }) => unit).sort(),
      ['draisine-update.timer', 'draisine-watch.timer', 'fstrim.timer', 'systemd-tmpfiles-clean.timer'],
      'which timers a machine has',
    );
    // The timers of updates and of notifications do nothing until the machine config names a channel or a receiver.
    for (const { unit, activates, next } of timers.filter((timer) => !timer.unit.startsWith('draisine-'))) {
      assert.ok(next > 0, `${unit} never elapses`);
      await box.succeed(`systemctl start ${activates}`);
    }
    // The clean-up removes old files only (tmpfiles.d/tmp.conf). All times of a file count. A program cannot set the ctime,
    // so the test moves the clock.
    const age = 60 * 24 * 3600;
    await box.jumpClock(-age);
    await box.succeed('touch /var/tmp/old');
    await box.jumpClock(age);
    await box.succeed('touch /var/tmp/new && systemctl start systemd-tmpfiles-clean.service');
    await box.succeed('test -e /var/tmp/new');
    await box.fail('test -e /var/tmp/old');
  },
);

register(
  {
    name: 'system.sysctl',
    what: 'The kernel settings that protect the machine are set.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    const wanted = {
      'kernel.panic': '10',
      'kernel.panic_on_oops': '1',
      'kernel.dmesg_restrict': '1',
      'kernel.kptr_restrict': '1',
      'kernel.unprivileged_bpf_disabled': '1',
      'kernel.randomize_va_space': '2',
      'fs.protected_symlinks': '1',
      'fs.protected_hardlinks': '1',
      'fs.protected_fifos': '2',
      'fs.protected_regular': '2',
      'fs.suid_dumpable': '0',
      'fs.inotify.max_user_instances': '1024',
      'net.ipv4.conf.all.rp_filter': '2',
      'net.ipv4.ping_group_range': '0 2147483647',
    };
    const found = await box.succeed(`sysctl --values ${Object.keys(wanted).join(' ')} | tr '\\t' ' '`);
    assert.deepEqual(
      Object.fromEntries(Object.keys(wanted).map((key, index) => [key, found.split('\n')[index]])),
      wanted,
    );
    const ports = '{all,default,en*}'; // no redirect comes by lo
    assert.equal(
      await box.succeed(`cat /proc/sys/net/ipv[46]/conf/${ports}/accept_redirects | sort -u`),
      '0',
    );
    // A user may ping, and may not read the kernel's log.
    await box.succeed('setpriv --reuid=65534 --regid=65534 --clear-groups ping -c 1 127.0.0.1');
    await box.fail('setpriv --reuid=65534 --regid=65534 --clear-groups dmesg');
  },
);

register(
  {
    name: 'system.modules',
    what: 'The modules that a machine may need can be loaded, and the ZFS module matches the kernel and the tools.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    // Kernel taints (Documentation/admin-guide/tainted-kernels.rst): none before ZFS, then P and O, from ZFS alone. Debian's
    // kernel adds E, because it does not know our key.
    assert.equal(await box.succeed('cat /proc/sys/kernel/tainted'), '0');
    await box.succeed('modprobe zfs');
    const signed = (await box.succeed('cat /sys/module/module/parameters/sig_enforce')) === 'Y';
    assert.equal(await box.succeed('cat /proc/sys/kernel/tainted'), String(1 + 4096 + (signed ? 0 : 8192)));
    const unsigned = signed ? '' : 'E';
    assert.equal(
      await box.succeed('grep --with-filename . /sys/module/*/taint'),
      `/sys/module/spl/taint:O${unsigned}\n/sys/module/zfs/taint:PO${unsigned}`,
    );
    // The program and the module have the same version.
    const [program, module] = (await box.succeed('zfs version')).split('\n');
    assert.equal(module, program?.replace('zfs-', 'zfs-kmod-'));
    // One module of each kind that is not loaded at boot. It loads with its dependencies into the running kernel.
    await box.succeed(
      'modprobe --all wireguard bonding 8021q bridge veth vxlan macvlan nf_tables nft_masq igc r8169 nvme usb_storage dm_crypt raid1 squashfs zram softdog nfsv4 nfsd cifs ntfs3 iscsi_target_mod cp210x xt_REDIRECT vrf',
    );
  },
);

register(
  {
    name: 'system.mounts',
    what: 'File systems are mounted with the options that protect the machine.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    for (const where of ['/tmp', '/run', '/dev/shm', '/home', '/var/tmp']) {
      const options = (await box.succeed(`findmnt --noheadings --output OPTIONS ${where}`)).split(',');
      assert.ok(options.includes('nosuid') && options.includes('nodev'), `${where}: ${options.join()}`);
    }
    // They are folders of the state partition, and users may write there.
    assert.equal(
      await box.succeed(
        "stat -c '%a %U' /home /var/tmp && for at in / /home /var/tmp; do findmnt --noheadings --output SOURCE --nofsroot $at; done | sort -u | grep -c .",
      ),
      '755 root\n1777 root\n1',
    );
    // A setuid program there gives no rights.
    await box.succeed(`
      install -m 4755 /usr/bin/id /home/id
      [ "$(setpriv --reuid=65534 --clear-groups /home/id -u)" = 65534 ]
      rm /home/id`);
    // The first boot makes the state partition. The image has none.
    const size = Number(await box.succeed('blockdev --getsize64 /dev/disk/draisine/state'));
    assert.ok(size >= 4 * 1024 ** 3, `the state partition has ${size} bytes`);
    const root = await box.succeed('findmnt --noheadings --output FSTYPE,OPTIONS /');
    assert.match(root, /^ext4\s.*errors=remount-ro/);
    // If a data disk fails, only the units that need it fail. The machine stays up.
    assert.equal(await box.succeed('systemctl show --property=OnFailure --value local-fs.target'), '');
  },
);

register(
  {
    name: 'system.time',
    what: 'NTP sets the clock, and the time zone can be changed.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    await box.waitForUnit('systemd-timesyncd.service');
    assert.equal(
      await box.succeed('timedatectl show --property=Timezone --property=LocalRTC --property=NTP'),
      'Timezone=UTC\nLocalRTC=no\nNTP=yes',
    );
    assert.match(await box.succeed('timedatectl show --property=RTCTimeUSec'), /=\w{3} 20\d\d-/);
    await box.succeed('timedatectl set-timezone Europe/Berlin');
    assert.equal(await box.succeed('date --date=@0 +%H:%M:%S'), '01:00:00');
  },
);

register(
  {
    name: 'system.bad-host-key',
    what: 'A host key that sshd cannot use, or a late address, does not keep SSH from starting.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    await box.succeed(`
      cd /etc/ssh && key=$(cat ssh_host_ed25519_key) && printf %s "$key" >ssh_host_ed25519_key
      systemctl restart ssh.service`);
    await box.waitForPort(22);
    assert.match(await box.succeed('draisine health'), /sshd cannot use the SSH host key/);

    await box.succeed('echo ListenAddress 192.0.2.9 >/etc/ssh/sshd_config.d/10-late.conf');
    await box.fail('systemctl restart ssh.service');
    await box.succeed('ip address add 192.0.2.9/32 dev lo');
    await box.waitUntilSucceeds('systemctl is-active ssh.service', { seconds: 60 });
    await box.succeed('rm /etc/ssh/sshd_config.d/10-late.conf && systemctl restart ssh.service');
    await box.waitForPort(22);
  },
);

register(
  { name: 'system.ssh-keys-only', what: 'SSH accepts keys and no password.', tags: ['quick'] },
  async (_t, { box }) => {
    const config = await box.succeed('sshd -T');
    for (const line of [
      'passwordauthentication no',
      'kbdinteractiveauthentication no',
      'permitrootlogin without-password',
      'permitemptypasswords no',
      'x11forwarding no',
    ]) {
      assert.ok(config.split('\n').includes(line), `sshd does not say: ${line}`);
    }
    const refused = await box.fail(
      'ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1 true 2>&1',
    );
    assert.match(refused, /Permission denied \(publickey\)/);
  },
);

register(
  {
    name: 'system.idle',
    what: 'An idle machine has most of its memory free and no waiting job.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    const meminfo = await box.succeed('cat /proc/meminfo');
    const kib = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1]);
    assert.ok(kib('MemAvailable') > 300 * 1024, `${kib('MemAvailable')} KiB available of ${kib('MemTotal')}`);
    // A process that has just ended is a zombie until its parent waits for it, and a timer may be due. Both are brief.
    await box.retry(
      async () => {
        assert.equal(await box.succeed('systemctl list-jobs --no-legend'), '');
        assert.equal(await box.succeed("ps -eo stat=,comm= | grep '^Z' || true"), '', 'zombies');
      },
      { seconds: 10 },
    );
  },
);
