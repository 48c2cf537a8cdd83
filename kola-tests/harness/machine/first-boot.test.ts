import assert from 'node:assert/strict';
import { type FileHandle, open, readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type FakeLab, withFakeLab } from '../../fixtures/fake-lab.ts';
import { EMPTY_CONFIG, type IgnitionConfig } from '../guest/ignition.ts';
import type { Attempt } from '../run/runtest.ts';
import { snapshotFor } from './snapshot.ts';
import { planMachine } from './spec.ts';

const FIRST = { machines: { box: { start: 'first-boot' } } } as const;

/** A machine of a unique kind, because the process remembers kinds that cannot be saved. */
let memory = 512;
const anotherKind = (): object => {
  memory += 8;
  return { machines: { box: { memory, start: 'first-boot' } } };
};
const nothing = async (): Promise<void> => {};

/** How the machines of an attempt came up, e.g. `boot, fork`, and the reasons for boots. */
function starts({ result, reason }: Attempt): { how: string; why: readonly string[] } {
  assert.equal(reason, undefined);
  return { how: (result.starts ?? []).map(({ how }) => how).join(', '), why: result.fallbacks };
}

test('a ready machine is made of a fork of the initrd, which machines with other configs share', async () => {
  await withFakeLab(async (fake) => {
    assert.deepEqual(starts(await fake.attempt(nothing)), { how: 'boot, initrd fork, fork', why: [] });
    assert.deepEqual(starts(await fake.attempt(nothing)), { how: 'fork', why: [] });
    const config: IgnitionConfig = { ignition: { version: '3.3.0' }, passwd: {} };
    assert.deepEqual(starts(await fake.attempt(nothing, { config })), { how: 'initrd fork, fork', why: [] });
    assert.deepEqual(starts(await fake.attempt(nothing, FIRST)), { how: 'initrd fork', why: [] });
    const again = await fake.attempt(async (_t, { box }) => await box?.reboot(), FIRST);
    assert.deepEqual(starts(again), { how: 'initrd fork, boot', why: [] });
    const own = await fake.attempt(async (_t, { box }) => await box?.firstBoot(config), {
      machines: { box: { start: 'off' } },
    });
    assert.deepEqual(starts(own), { how: 'initrd fork', why: [] });
    const alone = await fake.attempt(async (_t, { box }) => await box?.firstBoot(config), {
      machines: { box: { start: 'off', kernelArguments: 'quiet' } },
    });
    assert.deepEqual(starts(alone), { how: 'boot', why: [] });
    assert.deepEqual(starts(await fake.attempt(nothing, { machines: { box: { start: 'fresh' } } })), {
      how: 'boot',
      why: [],
    });
  });
});

/** Truncates the saved state of every snapshot. */
async function cutShort(fake: FakeLab): Promise<void> {
  for (const key of await readdir(fake.snapshots)) await truncate(join(fake.snapshots, key, 'state'), 2);
}

test('the files of a snapshot are on the disk before it has its name', async (t) => {
  await withFakeLab(async (fake) => {
    const file = await open('/dev/null');
    const kind = Object.getPrototypeOf(file) as FileHandle;
    await file.close();
    const named: number[] = [];
    t.mock.method(kind, 'datasync', async () => {
      named.push((await readdir(fake.snapshots)).filter((name) => !name.includes('.tmp-')).length);
    });
    await fake.attempt(nothing, anotherKind());
    const [key = ''] = await readdir(fake.snapshots);
    const files = await readdir(join(fake.snapshots, key));
    assert.ok(files.includes('state') && files.length > 2, files.join());
    assert.deepEqual(
      named,
      files.map(() => 0),
    );
  });
});

test('a truncated snapshot, or a snapshot of another QEMU, is made again', async () => {
  await withFakeLab(async (fake) => {
    await fake.attempt(nothing, FIRST);
    await cutShort(fake);
    assert.deepEqual(starts(await fake.attempt(nothing, FIRST)), { how: 'boot, initrd fork', why: [] });
    await cutShort(fake);
    assert.deepEqual(starts(await fake.attempt(nothing)), { how: 'boot, initrd fork, fork', why: [] });
    Object.assign(fake.lab.emulator, { build: 'another' });
    assert.deepEqual(starts(await fake.attempt(nothing, FIRST)), { how: 'boot, initrd fork', why: [] });
  });
});

test('a machine that cannot be forked in its initrd boots, and reports why', async () => {
  for (const [what, why, how] of [
    ['no port', /^config-stick cannot be plugged in: .*Bus 'port8' not found/, 'boot, boot'],
    ['missed', /the fork did not see its config/, 'boot, boot, boot'],
    ['late', /^the initrd was stopped .* after it began to look for a stick/, 'boot'],
    ['baked', /^n100 has a machine config in its image/, 'boot'],
  ] as const)
    await withFakeLab(async (fake) => {
      fake.env.FAKE_INITRD = what;
      fake.env.FAKE_HELLO = '800';
      const kind = anotherKind();
      const first = starts(await fake.attempt(nothing, kind));
      assert.equal(first.how, how, what);
      assert.match(first.why.join('\n'), why);
      if (what === 'late') assert.equal(fake.started(), 3, 'two attempts to stop it in time, and the test');
      // A ready machine is made nevertheless.
      const ready = { machines: { box: { memory } } };
      assert.match(starts(await fake.attempt(nothing, ready)).how, /boot, fork$/);
      assert.deepEqual(starts(await fake.attempt(nothing, ready)), { how: 'fork', why: [] });
    });
});

test('QEMU’s refusal to save a kind of machine is remembered, without another boot', async () => {
  await withFakeLab(async (fake) => {
    fake.env.FAKE_INITRD = 'unsavable';
    const { machines } = anotherKind() as { machines: { box: object } };
    const ready = await fake.attempt(nothing, { machines: { box: { ...machines.box, start: 'fork' } } });
    assert.equal(starts(ready).how, 'boot');
    assert.match(starts(ready).why.join(), /blocked by a device/);
    assert.equal(fake.started(), 2, 'up to the initrd, and for the test');
  });
});

test('a first boot that fails is not tried again', async () => {
  await withFakeLab(async (fake) => {
    const kind = anotherKind();
    await fake.attempt(nothing, kind);
    fake.env.FAKE_INITRD = 'ignition';
    fake.env.FAKE_HELLO = '800';
    assert.match(
      (await fake.attempt(nothing, kind)).reason ?? '',
      /^Ignition failed: Ignition failed: no such disk/,
    );
    fake.env.FAKE_INITRD = '';
    assert.deepEqual(starts(await fake.attempt(nothing, kind)), { how: 'initrd fork', why: [] });
  });
});

test('plans that differ in their configs only have one snapshot of the initrd', async () => {
  await withFakeLab(async ({ lab }) => {
    const key = async (spec: object): Promise<string> => {
      const found = await snapshotFor(lab, planMachine(spec, 'a test'), 'initrd');
      return 'key' in found ? found.key : found.message;
    };
    const common = await key({});
    const other = { config: { ...EMPTY_CONFIG, passwd: {} }, start: 'first-boot', firmware: 'none' };
    assert.equal(await key(other), common);
    assert.equal(await key({ disks: [{ name: 'a', size: 1 }] }), common);
    assert.notEqual(await key({ memory: 1024 }), common);
    assert.notEqual(await key({ disks: [{ name: 'a', size: 1, bus: 'ahci' }] }), common);
  });
});
