import assert from 'node:assert/strict';
import { BUSYBOX, busybox } from '../harness/machine/busybox.ts';
import { register } from '../harness/run/register.ts';

register(
  {
    name: 'resources.disk-full',
    what: 'A full disk breaks nothing for good: the machine works again when there is room.',
    machines: { box: { prepare: busybox } },
  },
  async (_t, { box }) => {
    const hello = `podman run --rm --network=none --entrypoint=/bin/busybox ${BUSYBOX} echo hello`;
    // All but the last 64 MiB at once, without writing it; then what is left, the blocks kept for root included.
    await box.succeed("fallocate --length=$(($(stat -f -c '%f * %S' /) - (64 << 20))) /var/full");
    assert.match(await box.fail('head -c 128M /dev/zero >/var/rest'), /No space left on device/);

    assert.match(await box.fail(`${hello} 2>&1`), /no space left on device/i);
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    await box.waitForPort(22);

    await box.succeed('rm /var/full /var/rest');
    assert.equal(await box.succeed(hello), 'hello');
    await box.succeed('echo after | systemd-cat --identifier=after-full && journalctl --sync');
    assert.equal(await box.succeed('journalctl --output=cat --identifier=after-full'), 'after');
  },
);

register(
  {
    name: 'resources.oom',
    what: 'A service that takes too much memory is ended, and the machine lives on.',
    tags: ['quick'],
    expect: [/^kernel: Memory cgroup out of memory: Killed process/, /^failed unit: greedy/],
  },
  async (_t, { box }) => {
    // A service that takes more than it may is killed; the machine and the other services live.
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
  { name: 'resources.tmp-full', what: 'A full /tmp is an error only for who fills it.', tags: ['quick'] },
  async (_t, { box }) => {
    // /tmp is memory: it takes at most half of it, and a full one is an error for who fills it.
    assert.match(await box.fail('head -c 1G /dev/zero >/tmp/full'), /No space left on device/);
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    await box.succeed('rm /tmp/full && echo fits >/tmp/file');
  },
);
