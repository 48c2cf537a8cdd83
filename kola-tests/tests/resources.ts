import assert from 'node:assert/strict';
import { BUSYBOX, busybox } from '../harness/machine/busybox.ts';
import { register } from '../harness/run/register.ts';

register(
  {
    name: 'resources.disk-full',
    what: 'A full disk breaks nothing for good: the machine starts, and works again when there is room.',
    machines: { box: { prepare: busybox } },
    timeout: 400,
  },
  async (_t, { box }) => {
    const hello = `podman run --rm --network=none --entrypoint=/bin/busybox ${BUSYBOX} echo hello`;
    // fallocate takes all but the last 64 MiB without writing. Then writes fill the rest, with the blocks that ext4 keeps
    // for root.
    // The machine has account lists of its own, and no reserve is left.
    await box.succeed('useradd someone && rm -f /var/lib/draisine/reserve && sync');
    await box.succeed("fallocate --length=$(($(stat -f -c '%f * %S' /) - (64 << 20))) /var/full");
    assert.match(await box.fail('head -c 128M /dev/zero >/var/rest'), /No space left on device/);

    assert.match(await box.fail(`${hello} 2>&1`), /no space left on device/i);
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    await box.waitForPort(22);

    // It starts, and one can log in, and make room.
    await box.reboot();
    await box.waitForPort(22);
    await box.succeed('rm /var/full /var/rest');
    await box.reboot();
    await box.succeed('touch /etc/changed && id someone');

    assert.equal(await box.succeed(hello), 'hello');
    await box.succeed('echo after | systemd-cat --identifier=after-full && journalctl --sync');
    assert.equal(await box.succeed('journalctl --output=cat --identifier=after-full'), 'after');
  },
);

register(
  {
    name: 'resources.oom',
    what: 'A service that takes too much memory is killed, and the machine keeps running.',
    tags: ['quick'],
    expect: [/^kernel: Memory cgroup out of memory: Killed process/, /^failed unit: greedy/],
  },
  async (_t, { box }) => {
    // The kernel kills a service that takes more than its limit. The machine and the other services keep running.
    await box.fail(
      'systemd-run --unit=greedy --wait --property=MemoryMax=32M --property=MemorySwapMax=0 tail /dev/zero',
    );
    assert.equal(await box.succeed('systemctl show --property=Result --value greedy.service'), 'oom-kill');
    await box.waitForUnit('ssh.service');
    await box.waitForPort(22);
    await box.succeed('systemctl reset-failed greedy.service');
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
  },
);

register(
  {
    name: 'resources.tmp-full',
    what: 'A full /tmp is an error only for the program that fills it.',
    tags: ['quick'],
  },
  async (_t, { box }) => {
    // /tmp is a tmpfs of at most half the memory.
    assert.match(await box.fail('head -c 1G /dev/zero >/tmp/full'), /No space left on device/);
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    await box.succeed('rm /tmp/full && echo fits >/tmp/file');
  },
);
