import assert from 'node:assert/strict';
import { writePartsOf } from '../fixtures/writing.ts';
import { BUSYBOX, busybox } from '../harness/machine/busybox.ts';
import { join2 } from '../harness/machine/lan.ts';
import { register } from '../harness/run/register.ts';

/* Problems that owners of other systems have reported. */

const machines = { box: { prepare: busybox } };
const CLIENT = `--entrypoint=/bin/busybox ${BUSYBOX}`;

register(
  {
    name: 'podman.userns-auto',
    what: 'Each container with `--userns=auto` gets its own range of user ids.',
    machines,
  },
  async (_t, { box }) => {
    const run = (name: string): string =>
      `podman run --detach --name=${name} --network=none --userns=auto ${CLIENT} sleep 1000 >/dev/null && podman exec ${name} /bin/busybox cat /proc/self/uid_map`;
    const said = await box.succeed(`${run('one')}\n${run('two')}`);
    const first = [...said.matchAll(/^\s*0\s+(\d+)\s+\d+$/gm)].map(([, start]) => Number(start));
    assert.equal(first.length, 2, said);
    assert.ok(
      first.every((start) => start >= 2 ** 31 - 1),
      `not in the range of containers: ${said}`,
    );
    assert.notEqual(first[0], first[1], 'both have the same range');
    await box.succeed('podman rm --force --time=0 one two');
  },
);

register(
  {
    name: 'podman.rootless-quadlet-starts-soon',
    what: "A user's quadlet starts without waiting 90 seconds for a target that nobody starts.",
    machines,
    timeout: 240,
  },
  async (_t, { box }) => {
    await box.succeed(`
      useradd --create-home --shell=/bin/bash alice
      podman save --output=/var/tmp/busybox.tar ${BUSYBOX} && chmod 644 /var/tmp/busybox.tar
      install -d -o alice -g alice /home/alice/.config /home/alice/.config/containers /home/alice/.config/containers/systemd
      printf '[Container]\\nImage=${BUSYBOX}\\nNetwork=none\\nExec=-c "exec /bin/busybox sleep 1000"\\n' >/home/alice/.config/containers/systemd/nap.container
      chown -R alice:alice /home/alice/.config
      loginctl enable-linger alice`);
    const uid = await box.succeed('id -u alice');
    await box.waitForUnit(`user@${uid}.service`);
    const asAlice = (script: string): string =>
      `systemd-run --quiet --pipe --wait --uid=alice --property=PAMName=login --setenv=XDG_RUNTIME_DIR=/run/user/${uid} --working-directory=/home/alice bash -c '${script}'`;
    await box.succeed(asAlice('podman load --quiet --input=/var/tmp/busybox.tar'));
    await box.succeed(asAlice('systemctl --user daemon-reload && systemctl --user start nap.service'), {
      seconds: 60,
    });
    // podman-user-wait-network-online.service polls until network-online.target is active, for at most 90 seconds.
    const times = await box.succeed(
      asAlice(
        'systemctl --user show --property=Result --property=InactiveExitTimestampMonotonic --property=ActiveEnterTimestampMonotonic podman-user-wait-network-online.service',
      ),
    );
    const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(times)?.[1] ?? '';
    assert.equal(value('Result'), 'success', times);
    // A unit that was never started has that result too.
    assert.ok(Number(value('ActiveEnterTimestampMonotonic')) > 0, times);
    const waited =
      (Number(value('ActiveEnterTimestampMonotonic')) - Number(value('InactiveExitTimestampMonotonic'))) /
      1e6;
    assert.ok(waited < 60, `it waited ${waited} s`);
  },
);

register(
  {
    name: 'podman.dns-server',
    what: 'If a container has port 53 on every address, the machine and the containers of a network still resolve names.',
    machines,
    expect: [/^listener: (tcp|udp) \S+:53 /],
  },
  async (_t, { box }) => {
    await writePartsOf(box, 'dns-server', /port-53\.conf$|^\/etc\/resolv\.conf$|nftables\.conf$/);
    await box.succeed('systemctl restart systemd-resolved.service && systemctl reload nftables.service');
    await box.waitUntilSucceeds("grep '^nameserver 10\\.0\\.2\\.3' /etc/resolv.conf");
    const web = `--detach --name=web --network=shop --hostname=web ${CLIENT} httpd -f -p 80 -h /etc`;
    // In both orders, because the first one gets the port.
    await box.succeed(`
      podman network create shop
      podman run ${web}
      podman run --detach --name=dns --hostname=dns --publish=53:53 --publish=53:53/udp ${CLIENT} httpd -f -p 53 -h /etc`);
    // It speaks HTTP on that port, because the test is about the port and not about names.
    const ask = String.raw`exec 9<>/dev/tcp/10.0.2.15/53 && printf 'GET /hostname HTTP/1.0\r\n\r\n' >&9 && timeout 20 cat <&9 | tail -n 1`;
    assert.equal(await box.waitUntilSucceeds(ask), 'dns');
    assert.equal(await box.succeed('getent ahostsv4 _gateway | head -n 1 | cut -d " " -f 1'), '10.0.2.2');
    const get = `podman run --rm --network=shop ${CLIENT} wget -q -O - http://web/hostname`;
    assert.equal(await box.succeed(get), 'web');
    await box.succeed(`podman rm --force --time=0 web && podman run ${web}`);
    assert.equal(await box.succeed(get), 'web');
    await box.succeed('podman rm --force --time=0 web dns');
  },
);

register(
  {
    name: 'net.published-from-another-machine',
    what: 'Another machine reaches published ports only as the firewall says, over IPv4 and IPv6.',
    machines: {
      box: { prepare: busybox, nics: [{ network: 'user' }, { network: 'lan' }] },
      other: { nics: [{ network: 'user' }, { network: 'lan' }] },
    },
    timeout: 240,
    expect: [/^listener: tcp \S+:808[01] /],
  },
  async (_t, { box, other }) => {
    await join2(box, other);
    for (const [one, host] of [
      [box, 1],
      [other, 2],
    ] as const)
      await one.succeed(
        `nic=$(grep -l ${one.mac(1)} /sys/class/net/*/address | cut -d/ -f5 | head -n 1) && ip -6 address add fd09::${host}/64 dev "$nic" nodad`,
      );
    await writePartsOf(box, 'published', /^\/etc\/nftables\.conf$/);
    const web = `--network=dual ${CLIENT} httpd -f -p 80 -h /etc`;
    await box.succeed(`
      podman network create --ipv6 --subnet=10.78.0.0/24 --subnet=fd00:78::/64 dual
      podman run --detach --name=open --hostname=open --publish=8081:80 ${web}
      podman run --detach --name=closed --hostname=closed --publish=8080:80 ${web}
      systemctl reload nftables.service`);
    const get = (address: string, port: number, limit = 20): string =>
      `timeout ${limit} bash -c "exec 9<>/dev/tcp/${address}/${port} && printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' >&9 && cat <&9 | tail -n 1"`;
    const addresses = ['10.9.0.1', 'fd09::1'];
    for (const address of addresses)
      assert.equal(await other.waitUntilSucceeds(get(address, 8081)), 'open', address);
    // The firewall drops the packets, so each of these waits for its whole limit.
    await Promise.all(addresses.map((address) => other.fail(get(address, 8080, 10))));
    // The machine itself reaches both, because the rule is about packets from outside.
    assert.equal(await box.waitUntilSucceeds(get('127.0.0.1', 8080)), 'closed');
    await box.succeed('podman rm --force --time=0 open closed');
  },
);

register(
  {
    name: 'system.full-state-partition',
    what: 'If the state partition is completely full, `draisine free` still makes room, and keeps images that a unit names.',
    machines,
  },
  async (_t, { box }) => {
    assert.equal(await box.succeed('stat -c %s /var/lib/draisine/reserve'), String(64 * 2 ** 20));
    await box.succeed(`
      podman tag ${BUSYBOX} docker.io/library/named:1 && podman rmi ${BUSYBOX}
      head -c 20M /dev/urandom >/var/tmp/blob && tar -C /var/tmp -cf /var/tmp/blob.tar blob
      podman import --quiet /var/tmp/blob.tar docker.io/library/unused:1 && rm /var/tmp/blob*
      podman tag docker.io/library/unused:1 docker.io/library/unused:latest
      printf '[Container]\\nImage=docker.io/library/named:1\\n' >/etc/containers/systemd/named.container`);
    const giveBack = await box.fillDisk('/var', 0);
    assert.match(await box.succeed('draisine health'), /the state partition is \d+ % full: draisine free/);
    assert.match(
      await box.succeed('draisine free'),
      /^removed {2}image docker\.io\/library\/unused:(1|latest), \d+ MiB$/m,
    );
    assert.equal(
      await box.succeed("podman images --format '{{.Repository}}:{{.Tag}}'"),
      'docker.io/library/named:1',
    );
    assert.ok(Number(await box.succeed('df --output=avail -BM /var | tail -n 1 | tr -dc 0-9')) >= 16);
    await giveBack();
    await box.succeed('draisine free');
    assert.equal(await box.succeed('stat -c %s /var/lib/draisine/reserve'), String(64 * 2 ** 20));
    await box.succeed('rm /etc/containers/systemd/named.container');
  },
);

register(
  {
    name: 'net.others-rules-stay',
    what: 'Rules and routes of other programs survive a restart of networkd, and a missing cable does not delay the boot.',
  },
  async (_t, { box }) => {
    await box.succeed(`
      ip link add other type veth peer name other-end && ip link set other up && ip link set other-end up
      ip rule add from 10.99.0.0/24 table 99 && ip route add 10.98.0.0/24 dev other table 99
      systemctl restart systemd-networkd.service`);
    await box.waitUntilSucceeds("ip -4 -brief address show scope global | grep '10\\.0\\.2\\.15/24'");
    assert.match(await box.succeed('ip rule show'), /from 10\.99\.0\.0\/24 lookup 99/);
    assert.match(await box.succeed('ip route show table 99'), /^10\.98\.0\.0\/24 dev other/m);

    await box.cable('nic0', false);
    await box.succeed('systemctl restart systemd-networkd-wait-online.service', { seconds: 30 });
    assert.equal(
      await box.succeed('systemctl is-failed systemd-networkd-wait-online.service || :'),
      'active',
    );
    await box.cable('nic0', true);
  },
);

register(
  {
    name: 'container.unplugged-device',
    what: 'A container stops when its device is unplugged, and starts when the device is back, even if it is back at once.',
    machines: { box: { disks: [{ name: 'thumb', size: 64, bus: 'usb' }] } },
  },
  async (_t, { box }) => {
    await busybox.run(box); // No other test with a USB controller needs the image, so no machine is saved with it.
    // The disk replaces a serial adapter: it has the adapter's name.
    await box.succeed(`
      echo 'SUBSYSTEM=="block", ENV{DEVTYPE}=="disk", ENV{ID_BUS}=="usb", SYMLINK+="serial/by-id/usb-dongle"' >/etc/udev/rules.d/99-dongle.rules
      udevadm control --reload && udevadm trigger --settle --subsystem-match=block`);
    await box.waitForFile('/dev/serial/by-id/usb-dongle');
    await writePartsOf(box, 'dongle', /dongle\.(container|service)$/);
    // The device is plugged in before systemd reads the units, as at a boot. When it appears, it starts the container.
    await box.unplug('thumb');
    await box.waitUntilSucceeds('! test -e /dev/serial/by-id/usb-dongle', { seconds: 30 });
    await box.succeed('systemctl daemon-reload');
    await box.plug('thumb');
    const isThere =
      'systemctl is-active dongle.service && podman exec dongle /bin/busybox test -b /dev/dongle';
    await box.waitUntilSucceeds(isThere, { seconds: 60 });
    const first = await box.succeed("podman ps --no-trunc --format='{{.ID}}'");

    // Its program does not end by itself, and is killed after ten seconds. The device is back before that.
    await box.unplug('thumb');
    await box.waitUntilSucceeds(
      'systemctl show --property=ActiveState --value dongle.service | grep -x deactivating',
      { seconds: 30 },
    );
    await box.plug('thumb');
    await box.waitUntilSucceeds(
      `test "$(podman ps --no-trunc --format='{{.ID}}')" != ${first} && ${isThere}`,
      { seconds: 60 },
    );

    // The device is away until the container has stopped, and comes back after that.
    await box.unplug('thumb');
    await box.waitUntilSucceeds(
      'systemctl show --property=ActiveState --value dongle.service | grep -xE "inactive|failed"',
      { seconds: 60 },
    );
    await box.plug('thumb');
    await box.waitUntilSucceeds(isThere, { seconds: 60 });
    // A container that is stopped by hand stays stopped, although the device is plugged in.
    await box.succeed('systemctl stop dongle.service; systemctl reset-failed dongle.service');
    assert.equal(await box.succeed('systemctl is-active dongle.service || :'), 'inactive');
  },
);
