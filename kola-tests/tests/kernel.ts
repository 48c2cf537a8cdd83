import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { foreignModule, unsignedModule } from '../harness/guest/foreign-module.ts';
import { endpoint, type Key, wireguardKey } from '../harness/guest/wireguard.ts';
import { BUSYBOX, busybox } from '../harness/machine/busybox.ts';
import { join2 } from '../harness/machine/lan.ts';
import { register } from '../harness/run/register.ts';

/* Our own kernel. Tests that must pass on Debian's kernel as well have no `image`. */

const image = 'n100';
const tags = ['quick', 'kernel'];

register(
  {
    name: 'kernel.config',
    what: 'The running kernel has the configuration of the image, and a mitigation for each flaw of the processor.',
    image,
    tags,
  },
  async (_t, { box }) => {
    const running = gunzipSync(await box.copyFrom('/proc/config.gz')).toString();
    assert.equal(running, await readFile(await box.artifact('config'), 'utf8'));
    assert.match(await box.succeed('uname -r'), /^6\.\d+\.\d+-n100$/);
    // The kernel does not contain the user, the host and the time of its build.
    assert.match(
      await box.succeed('cat /proc/version'),
      /^Linux version \S+ \(draisine@draisine\) .* #1 SMP /,
    );
    // Two exceptions: QEMU's processor has no switch for SSBD, and the host's microcode may lack a mitigation.
    const open = 'cd /sys/devices/system/cpu/vulnerabilities && grep Vulnerable *';
    assert.equal(await box.succeed(`${open} | grep -v -e microcode -e ^spec_store_bypass: || true`), '');
  },
);

register(
  {
    name: 'kernel.modules-signed',
    what: 'The kernel loads its own signed modules and refuses all others.',
    image,
    tags,
  },
  async (_t, { box }) => {
    assert.equal(await box.succeed('cat /sys/module/module/parameters/sig_enforce'), 'Y');
    // One key has signed every module of the image. modinfo names the key by its serial number.
    const keys = await box.succeed(
      'find /usr/lib/modules -name "*.ko" | while read -r path; do modinfo -F sig_key $path | grep . || echo "none: $path"; done | sort -u',
      { seconds: 120 },
    );
    assert.match(keys, /^[0-9A-F:]+$/);

    const module = await box.copyFrom(`${await box.succeed('modinfo -n dummy')}`);
    const plain = unsignedModule(module);
    const turned = Buffer.from(module);
    turned.writeUInt8(turned.readUInt8(plain.length - 1) ^ 1, plain.length - 1);
    for (const [name, bytes] of Object.entries({
      unsigned: plain,
      foreign: await foreignModule(plain),
      changed: turned,
    })) {
      await box.copyTo(bytes, `/run/${name}.ko`);
      assert.match(
        await box.fail(`insmod /run/${name}.ko`),
        /Key was rejected by service|Required key not available/,
        name,
      );
    }
    // The module with its original signature loads, so the missing signature was the reason.
    await box.copyTo(module, '/run/own.ko');
    await box.succeed('insmod /run/own.ko && rmmod dummy');
  },
);

register(
  {
    name: 'kernel.no-unneeded',
    what: 'An idle machine has loaded only the modules on a fixed list.',
    image,
    tags,
  },
  async (_t, { box }) => {
    // The modules that udev and the services of an idle box load, with the reason. No other module may be there.
    const known = new Set([
      'sch_fq_codel',
      'virtio_balloon', // a device of QEMU
      'qemu_fw_cfg', // delivers the machine config
      'i2c_i801', // the chipset's SMBus
      'i2c_smbus',
      'lpc_ich',
      'iTCO_wdt', // the chipset's watchdog, and the code that watchdogs share
      'watchdog',
      'sha1_ssse3', // faster SHA-1, which the processor offers (X86FEATURE aliases)
      'sha1_generic',
      'zram',
      'vmgenid',
      'virtio_input',
      'i6300esb',
      'mfd_core',
      'intel_rapl_msr',
      'intel_rapl_common',
      'intel_powerclamp',
      'coretemp',
    ]);
    const loaded = (await box.succeed('cut -d" " -f1 /proc/modules')).split('\n').filter(Boolean);
    assert.deepEqual(
      loaded.filter((name) => !known.has(name)),
      [],
    );
    // Without Secure Boot the kernel is not locked down. The kernel does not have the interfaces that would bypass a
    // lockdown.
    assert.match(
      await box.succeed('cat /sys/kernel/security/lockdown'),
      /^\[none\] integrity confidentiality$/,
    );
    await box.fail('test -e /dev/mem -o -e /dev/port -o -e /proc/kcore -o -e /sys/kernel/debug/tracing');
    for (const gone of ['kexec_load_disabled', 'io_uring_disabled'])
      await box.fail(`test -e /proc/sys/kernel/${gone}`);
    assert.match(await box.succeed('cat /sys/kernel/security/lsm'), /landlock.*yama.*apparmor/);
  },
);

register(
  {
    name: 'kernel.containers',
    what: 'The kernel has what containers need: cgroups, name spaces, seccomp and overlay.',
    tags,
    machines: { box: { prepare: busybox } },
  },
  async (_t, { box }) => {
    const controllers = (await box.succeed('cat /sys/fs/cgroup/cgroup.controllers')).split(' ');
    for (const wanted of ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids', 'misc'])
      assert.ok(controllers.includes(wanted), `${wanted} is not among ${controllers.join()}`);
    assert.match(await box.succeed('grep overlay /proc/filesystems'), /overlay/);
    assert.match(await box.succeed('cat /proc/sys/kernel/seccomp/actions_avail'), /errno.*trace.*log.*allow/);
    for (const space of ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts'])
      await box.succeed(`test -e /proc/self/ns/${space}`);
    const spaces = Number(await box.succeed('cat /proc/sys/user/max_user_namespaces'));
    assert.ok(spaces > 0, 'no user name spaces');
    const info = JSON.parse(await box.succeed('podman info --format=json')) as {
      host: { cgroupVersion: string; ociRuntime: { name: string }; security: { seccompEnabled: boolean } };
      store: { graphDriverName: string };
    };
    assert.equal(info.host.cgroupVersion, 'v2');
    assert.equal(info.host.ociRuntime.name, 'crun');
    assert.equal(info.host.security.seccompEnabled, true);
    assert.equal(info.store.graphDriverName, 'overlay');
    // One container has limits of each controller, a user name space and a seccomp filter.
    const run =
      `podman run --rm --network=none --entrypoint=/bin/busybox --memory=64m --cpus=0.5 --pids-limit=50
    --cpuset-cpus=0 --uidmap=0:100000:65536 ${BUSYBOX}`.replaceAll('\n', ' ');
    assert.equal(await box.succeed(`${run} grep Seccomp: /proc/self/status`), 'Seccomp:\t2');
  },
);

/** All expressions of nft(8) in the rules of netavark (src/firewall/nft.rs) and of our firewall (ignition/sugar/firewall.ts). */
const RULES = `
table inet kola {
  map ports { type inet_proto . inet_service : verdict; }
  set banned { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    ct state invalid drop
    iif lo accept
    iifname "podman*" meta l4proto { tcp, udp } th dport 53 accept
    meta l4proto { icmp, ipv6-icmp } limit rate 10/second accept
    ip saddr @banned counter reject with icmpx admin-prohibited
    fib daddr type local counter
    tcp dport { 22, 80 } ct state new accept
  }
  chain forward {
    type filter hook forward priority filter;
    ct mark and 0x1 == 0x1 accept
    meta mark set mark or 0x2
  }
  chain published { tcp dport 8080 dnat ip to 10.88.0.2:80; }
  chain prerouting { type nat hook prerouting priority dstnat; fib daddr type local jump published; }
  chain output { type nat hook output priority dstnat; ip daddr 127.0.0.1 jump published; }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr 10.88.0.0/16 ip daddr != 224.0.0.0/4 masquerade
    ip6 saddr fd00::/64 masquerade fully-random
  }
  chain last { log prefix "kola " level info; numgen random mod 2 vmap { 0 : accept, 1 : drop }; }
}
`;

register(
  {
    name: 'kernel.netfilter',
    what: 'The kernel accepts every kind of rule that the firewall and podman use, and the rules have an effect.',
    tags,
  },
  async (_t, { box }) => {
    await box.copyTo(Buffer.from(RULES), '/run/rules.nft');
    await box.succeed('nft --file /run/rules.nft');
    await box.succeed(
      'nft add chain inet kola redirected "{ type nat hook prerouting priority dstnat + 1; }"',
    );
    await box.succeed('nft add rule inet kola redirected tcp dport 443 redirect to :8443');
    // The modules that iptables-nft in a container needs.
    await box.succeed(
      'modprobe --all ipt_REJECT ip6t_REJECT xt_connmark xt_LOG xt_owner xt_recent xt_statistic xt_physdev xt_set ip_set_hash_ip ip_set_hash_net',
    );
    // The rules work: a banned address gets a rejection at once.
    await box.succeed(
      'ip address add 192.0.2.1/32 dev lo && nft delete rule inet kola input handle $(nft -a list chain inet kola input | sed -n "s/.*iif .*lo.* handle //p")',
    );
    assert.match(
      await box.fail('exec 9<>/dev/tcp/192.0.2.1/22'),
      /No route to host|Connection refused|prohibited/,
    );
    assert.match(
      await box.succeed('nft list chain inet kola input'),
      /ip saddr @banned counter packets [1-9]/,
    );
  },
);

register(
  {
    name: 'kernel.crypto',
    what: 'Encrypted disks and WireGuard tunnels work.',
    tags: ['kernel'],
    machines: {
      box: { disks: [{ name: 'vault', size: 128 }], nics: [{ network: 'user' }, { network: 'lan' }] },
      peer: { nics: [{ network: 'user' }, { network: 'lan' }] },
    },
    expect: [/^listener: udp \S+:51820 /],
  },
  async (_t, { box, peer }) => {
    const disk = box.disk('vault');
    await box.succeed(`
      echo -n secret >/run/key
      cryptsetup luksFormat --batch-mode --pbkdf=pbkdf2 --pbkdf-force-iterations=1000 --key-file=/run/key ${disk}
      cryptsetup open --key-file=/run/key ${disk} vault
      mkfs.ext4 -q /dev/mapper/vault && mount /dev/mapper/vault /mnt
      echo 'in the open' >/mnt/file && umount /mnt && cryptsetup close vault`);
    assert.equal(await box.succeed(`grep -c 'in the open' ${disk} || true`), '0');
    await box.succeed(`cryptsetup open --key-file=/run/key ${disk} vault && mount /dev/mapper/vault /mnt`);
    assert.equal(await box.succeed('cat /mnt/file'), 'in the open');
    await box.succeed('umount /mnt && cryptsetup close vault');

    await join2(box, peer);
    const keys: [Key, Key] = [wireguardKey(), wireguardKey()];
    await endpoint(box, { own: keys[0], peer: keys[1], address: '10.99.0.1', at: '10.9.0.2' });
    await endpoint(peer, { own: keys[1], peer: keys[0], address: '10.99.0.2', at: '10.9.0.1' });
    await box.waitUntilSucceeds('ping -c 1 -W 2 10.99.0.2');
    // The packets went through the tunnel: its counters moved on both sides.
    for (const machine of [box, peer])
      assert.ok(Number(await machine.succeed('cat /sys/class/net/wg0/statistics/rx_bytes')) > 100);
  },
);
