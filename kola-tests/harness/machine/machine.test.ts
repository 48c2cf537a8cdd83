import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FakeLab, withFakeLab } from '../../fixtures/fake-lab.ts';
import type { RegisteredTest } from '../run/register.ts';

const PANIC = /^the kernel panicked: Kernel panic - not syncing: Fatal exception/;

type Body = (box: NonNullable<Parameters<RegisteredTest['body']>[1]['box']>) => Promise<void>;

/** The reason why a test with this body fails; undefined if it passes. */
async function reasonOf(fake: FakeLab, body: Body, definition: object = {}): Promise<string | undefined> {
  return (await fake.attempt(async (_t, { box }) => await body(box!), definition)).reason;
}

test('a machine that ended by itself fails its test, also after the last command', async () => {
  await withFakeLab(async (fake) => {
    assert.equal(await reasonOf(fake, async (box) => void (await box.succeed('true'))), undefined);
    const went = /^after the test:\n {2}box: guest: ended by itself: /;
    const after =
      (script: string): Body =>
      async (box) => {
        await box.succeed(script);
        await sleep(300);
      };
    assert.match(
      (await reasonOf(fake, after('die'))) ?? '',
      new RegExp(`${went.source}QEMU ended .*out of luck`),
    );
    assert.match(
      (await reasonOf(fake, after('reset'))) ?? '',
      new RegExp(`${went.source}the guest rebooted`),
    );
    assert.equal(
      await reasonOf(fake, async (box) => {
        await box.succeed('systemctl poweroff');
        await box.goesDown('poweroff');
        await box.start();
        await box.crash();
      }),
      undefined,
    );
    assert.match(
      (await reasonOf(fake, async (box) => {
        await after('die')(box);
        await box.succeed('true');
      })) ?? '',
      /^QEMU ended \(exit 1\): qemu: terminating: out of luck/,
      'the error has the reason, not only that the machine is off',
    );
    assert.match(
      (await reasonOf(fake, async (box) => {
        await box.succeed('disk full');
        await box.succeed('hang');
      })) ?? '',
      /^QEMU stopped the machine, its disk system cannot be written to: No space left on device/,
    );
  });
});

test('kernel messages from before a reboot are checked as well', async () => {
  await withFakeLab(async (fake) => {
    const body: Body = async (box) => {
      await box.succeed('warn');
      await box.reboot();
    };
    assert.match((await reasonOf(fake, body)) ?? '', /^after the test:\n {2}box: kernel: WARNING: CPU: 0/);
    assert.equal(await reasonOf(fake, body, { expect: [/fake\.c/] }), undefined);
  });
});

test('a panic during a shutdown is not an orderly end', async () => {
  await withFakeLab(async (fake) => {
    fake.env.FAKE_PANICS = 'yes';
    assert.match((await reasonOf(fake, async (box) => await box.reboot())) ?? '', PANIC);
    assert.match((await reasonOf(fake, async (box) => await box.poweroff())) ?? '', PANIC);
    assert.match((await reasonOf(fake, async (box) => await box.powerButton())) ?? '', PANIC);
  });
});

test('a machine that is started after the time limit of its test is removed completely', async () => {
  await withFakeLab(async (fake) => {
    await reasonOf(fake, async () => {}); // the snapshot
    let dir = '';
    const starting = await reasonOf(
      fake,
      async (box) => {
        dir = box.dir;
        await box.crash();
        fake.env.FAKE_DELAY = '60000';
        await box.start();
      },
      { timeout: 4 },
    );
    assert.match(starting ?? '', /not done after/);
    assert.equal(
      readFileSync(fake.env.FAKE_STARTED ?? '', 'utf8')
        .trim()
        .split('\n').length,
      5, // two of them for the snapshot
    );
    assert.deepEqual([fake.alive(), existsSync(dir)], [[], false]);

    delete fake.env.FAKE_DELAY;
    let late: unknown;
    await reasonOf(
      fake,
      async (box) => {
        await box.crash();
        await sleep(1500);
        late = await box.start().catch(String);
      },
      { timeout: 1 },
    );
    await sleep(1500);
    assert.equal(late, 'Failure: box does not exist any more: its test is over');
    assert.deepEqual(fake.alive(), []);
  });
});

test('a snapshot that another run has removed is made again', async () => {
  await withFakeLab(async (fake) => {
    const nothing: Body = async () => {};
    assert.equal(await reasonOf(fake, nothing), undefined);
    // The snapshot of the initrd, and the snapshot that is made from it.
    const keys = await readdir(fake.snapshots);
    assert.equal(keys.length, 2);
    for (const gone of [keys, ...keys.map((key) => [key])]) {
      for (const key of gone) await rm(join(fake.snapshots, key), { recursive: true });
      assert.equal(await reasonOf(fake, nothing), undefined);
    }
    assert.ok((await readdir(fake.snapshots)).every((key) => keys.includes(key)));
    // Another run removes the snapshot between the check and the fork, so only a part of it exists.
    for (const key of await readdir(fake.snapshots)) await rm(join(fake.snapshots, key, 'vars.fd'));
    assert.equal(await reasonOf(fake, nothing), undefined);
  });
});

test('a short limit of the body does not shorten the time for the snapshot', async () => {
  await withFakeLab(async (fake) => {
    fake.env.FAKE_HELLO = '1500';
    const { reason } = await fake.attempt(
      async (_t, { box }) => await box?.waitUntilSucceeds('false', { seconds: 100 }).then(() => {}),
      {},
      0.01,
    );
    assert.match(reason ?? '', /success of: false: not yet after 1\.0 s/);
    assert.equal((await readdir(fake.snapshots)).length, 2);
  });
});

test('a missing command does not count as a failed one', async () => {
  await withFakeLab(async (fake) => {
    assert.equal(await reasonOf(fake, async (box) => void (await box.fail('false'))), undefined);
    assert.match(
      (await reasonOf(fake, async (box) => void (await box.fail('no-such-command')))) ?? '',
      /^box: could not be run \(exit 127\): no-such-command/,
    );
  });
});

test('a fault of the host is a separate kind of result; the time for a shared snapshot counts for no test', async () => {
  await withFakeLab(async (fake) => {
    fake.env.FAKE_HELLO = '2500';
    const body = async (): Promise<void> => {};
    const { result } = await fake.attempt(body);
    assert.ok(result.passed && result.totalMs < 5000, `${result.totalMs}: the fork's time, and not both`);
    delete fake.env.FAKE_HELLO;

    const memory = await fake.attempt(body, { machines: { box: { memory: 100_000 } } });
    assert.match(memory.reason ?? '', /^too little memory/);
    const { system, img } = fake.lab.emulator;
    const refuse = (words: string) => () => ({
      ...{ file: '/bin/sh', args: ['-c', `echo ${words} >&2; exit 1`], env: {} },
    });
    Object.assign(fake.lab.emulator, { img: refuse('No space left on device') });
    const disk = await fake.attempt(body);
    assert.match(disk.reason ?? '', /the files of a machine cannot be made: .*No space left on device/s);
    Object.assign(fake.lab.emulator, { img, system: refuse('cannot set up guest memory') });
    const start = await fake.attempt(body);
    assert.match(start.reason ?? '', /QEMU does not start: .*cannot set up guest memory/s);
    Object.assign(fake.lab.emulator, { system });
    const guest = await fake.attempt(async (_t, { box }) => void (await box?.succeed('false')));
    assert.deepEqual(
      [memory, disk, start, guest].map(({ result: { passed, trouble } }) => [passed, trouble]),
      [
        [false, true],
        [false, true],
        [false, true],
        [false, undefined],
      ],
    );
  });
});
