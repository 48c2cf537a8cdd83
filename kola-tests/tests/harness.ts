import assert from 'node:assert/strict';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

/* The harness's own verbs on a real machine. Tests rely on them. */

const tags = ['harness'];

register(
  {
    name: 'harness.snapshot',
    what: 'The harness brings a machine back to an earlier moment, with its memory and its disks.',
    tags,
  },
  async (_t, { box }) => {
    await box.succeed(
      'echo before >/var/lib/state; echo before >/run/state; sleep infinity >/dev/null 2>&1 & disown',
    );
    const saved = await box.snapshot();
    await box.succeed('echo after >/var/lib/state; echo after >/run/state; sync; pkill -x sleep || true');
    await box.restore(saved);
    assert.equal(await box.succeed('cat /var/lib/state /run/state'), 'before\nbefore');
    await box.succeed('pgrep -x sleep');
    const behind = Date.now() / 1000 - Number(await box.succeed('date +%s'));
    assert.ok(Math.abs(behind) < 60, `the clock is ${behind} s behind`);
  },
);

// Two machines continue from one saved initrd: the machine that all other tests are forks of, and one with a first boot
// of its own. Their identities must not come from that saved state.
register(
  {
    name: 'harness.first-boot',
    what: 'Machines that are forked in their initrd differ in machine id, host key and random numbers, and have the right clock.',
    machines: { one: { start: 'first-boot' }, two: {} },
    tags,
    timeout: 240,
  },
  async (_t, { one, two }) => {
    const itself = async (box: Machine): Promise<string[]> => {
      const said = await box.succeed(`
        { ls /var/log/journal; cat /etc/machine-id; } | sort -u # with the id of its first boot
        ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub | cut -d ' ' -f 2
        head -c 16 /dev/urandom | od -An -t x1 | tr -d ' '
        cat /proc/sys/kernel/random/uuid
        sha256sum </var/lib/systemd/random-seed`);
      return said.split('\n');
    };
    const [first, second] = [await itself(one), await itself(two)];
    // The harness has given the fork of a ready machine another machine id.
    assert.deepEqual([first.length, second.length, new Set([...first, ...second]).size], [5, 6, 11]);
    for (const box of [one, two]) {
      const behind = Date.now() / 1000 - Number(await box.succeed('date +%s'));
      assert.ok(Math.abs(behind) < 60, `the clock is ${behind} s behind`);
      // The disk with the config is unplugged, as after any first boot.
      assert.equal(
        await box.succeed('ls /.draisine-provisioned; systemctl is-system-running'),
        '/.draisine-provisioned\nrunning',
      );
      assert.equal(
        await box.succeed("lsblk --noheadings --nodeps --output SERIAL | grep -c . | tr -d '\\n'"),
        '1',
      );
    }
  },
);

register(
  {
    name: 'harness.console',
    what: 'The harness sees everything that a machine writes to its console, even in a flood.',
    tags,
  },
  async (_t, { box }) => {
    // agetty(8) discards what is still to be printed when it starts, and it may start late.
    await box.succeed('systemctl stop serial-getty@ttyS0.service');
    // The flood is much larger than a socket's buffer. No byte is lost or repeated.
    const lines = Array.from({ length: 2000 }, (_, index) => `flood ${index + 1} of 2000`);
    await box.succeed("seq -f 'flood %g of 2000' 2000 >/dev/ttyS0");
    await box.waitForConsole(/flood 2000 of 2000/, { seconds: 30 });
    const said = (await box.consoleText()).replaceAll('\r', '');
    assert.deepEqual(said.match(/flood .*/g), lines);
  },
);

register(
  {
    name: 'harness.hardships',
    what: 'The harness can fill a disk, move the clock, take the memory and cut the power.',
    tags,
  },
  async (_t, { box }) => {
    const free = await box.fillDisk('/var', 1024);
    assert.ok(Number(await box.succeed('df --output=avail -k /var | tail -n 1')) <= 1024);
    await free();
    assert.ok(Number(await box.succeed('df --output=avail -k /var | tail -n 1')) > 100 * 1024);

    const before = Number(await box.succeed('date +%s'));
    await box.jumpClock(3600);
    assert.ok(Number(await box.succeed('date +%s')) >= before + 3600);
    await box.jumpClock(-3600);

    const available = "awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo";
    const release = await box.pressMemory(100);
    assert.ok(Number(await box.succeed(available)) <= 124);
    await release();
    await box.waitUntilSucceeds(`(($(${available}) > 200))`);

    const moment = await box.crashWithin(2);
    assert.ok(moment <= 2000 && !box.isOn());
  },
);
