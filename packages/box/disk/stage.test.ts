import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FakeBox } from '../io/fake.ts';
import { bootOther, countTry, fallback, installedUkis, markBad, markGood, runningUki } from './assess.ts';
import { listUkis, parseUkiName, ukiName, withEsp } from './esp.ts';
import { inspectDisk, otherSlot, slotHolds } from './inspect.ts';
import { stage } from './stage.ts';
import { ESP, fakeDraisine, fill, HASHES, makeUki, NEXT, nextSlot, nextUki } from './testing.ts';

const stageNext = (box: FakeBox) =>
  stage(box, inspectDisk(box), { slot: nextSlot(box), uki: nextUki(box), runningHash: HASHES.running });
const files = (box: FakeBox) => box.list(`${ESP}/EFI/Linux`);
const LOADER = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';
const variable = (name: string) => `/sys/firmware/efi/efivars/${name}-${LOADER}`;

describe('names of UKIs', () => {
  test('version and counters', () => {
    assert.deepEqual(parseUkiName('draisine_2026.1129.0+2-1.efi'), {
      file: 'draisine_2026.1129.0+2-1.efi',
      version: '2026.1129.0',
      left: 2,
      done: 1,
    });
    assert.deepEqual(
      ['draisine_0.1.0.efi', 'draisine_2026.1129.0+3.efi', 'DRAISINE_1.EFI'].map((name) => {
        const { version, left, done } = parseUkiName(name) ?? {};
        return [version, left, done];
      }),
      [
        ['0.1.0', undefined, undefined],
        ['2026.1129.0', 3, undefined],
        ['1', undefined, undefined],
      ],
    );
    for (const other of ['draisine_2026.1129.0.efi.new', 'arch.efi', 'draisine_.efi'])
      assert.equal(parseUkiName(other), undefined, other);
    assert.equal(ukiName('1', 0, 3), 'draisine_1+0-3.efi');
    assert.equal(ukiName('1'), 'draisine_1.efi');
  });
});

describe('the contents of a disk', () => {
  test('two slots, one of them runs; versions by label; which UKI boots which', () => {
    const box = fakeDraisine();
    const disk = inspectDisk(box);
    assert.deepEqual(
      disk.slots.map(({ name, version, running, usr }) => [name, version, running, usr.device]),
      [
        ['a', '2026.1101.0', true, '/dev/vda2'],
        ['b', '2026.1001.0', false, '/dev/vda4'],
      ],
    );
    assert.equal(otherSlot(disk).name, 'b');
    const ukis = installedUkis(box, disk);
    assert.equal(runningUki(ukis, HASHES.running)?.version, '2026.1101.0');
    assert.equal(fallback(disk, ukis)?.uki.version, '2026.1001.0');
    assert.ok(slotHolds(otherSlot(disk), HASHES.old));
  });

  test('an empty slot has no version, and nothing to go back to', () => {
    const box = fakeDraisine({ old: false });
    const disk = inspectDisk(box);
    assert.equal(otherSlot(disk).version, undefined);
    assert.equal(fallback(disk, installedUkis(box, disk)), undefined);
    assert.throws(() => bootOther(box, disk, HASHES.running), /no other release on this disk/);
  });

  test('a live system, a disk without a table, a /usr that is elsewhere', () => {
    const live = fakeDraisine();
    live.remove('/run/draisine/boot-disk/9');
    live.remove('/run/draisine/boot-disk');
    assert.throws(() => inspectDisk(live), /not booted from an installed disk/);
    const broken = fakeDraisine();
    broken.putDevice('/dev/vda', new Uint8Array(100 * 512));
    assert.throws(() => inspectDisk(broken), /no intact partition table/);
    const elsewhere = fakeDraisine();
    elsewhere.symlink('../../devices/virtual/block/loop0', '/sys/dev/block/253:2');
    assert.throws(() => otherSlot(inspectDisk(elsewhere)), /no slot of the disk holds the running \/usr/);
  });
});

describe('staging', () => {
  test('the other slot gets the release, and the ESP its UKI with three tries', () => {
    const box = fakeDraisine();
    box.put({ [variable('LoaderEntryDefault')]: 'draisine_2026.1001.0.efi' });
    box.put({ [`${ESP}/loader/loader.conf`]: 'default draisine_2026.1001.0.efi\ntimeout 2\n' });
    box.put({ [`${ESP}/EFI/Linux/draisine_2026.1111.0+3.efi.new`]: 'half of one' });
    assert.equal(stageNext(box).name, 'b');
    const { slots } = inspectDisk(box);
    assert.deepEqual(
      slots.map(({ version }) => version),
      ['2026.1101.0', NEXT],
    );
    assert.ok(slotHolds(slots[1]!, HASHES.next));
    assert.deepEqual(files(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+3.efi`]);
    assert.equal(box.readText(`${ESP}/loader/loader.conf`), 'timeout 2\n');
    assert.ok(box.ran.some((argv) => argv.join(' ') === 'bootctl set-default '));
  });

  test('a second attempt after an interruption removes incomplete files', () => {
    const box = fakeDraisine();
    stageNext(box);
    stageNext(box);
    assert.deepEqual(files(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+3.efi`]);
  });

  test('no room on the ESP: refused before anything is touched', () => {
    const box = fakeDraisine({ free: 1 << 20 });
    const before = [files(box), box.readFile('/dev/vda')];
    assert.throws(() => stageNext(box), /no room on the EFI system partition: 2 MiB are needed, 1 MiB/);
    assert.deepEqual([files(box), box.readFile('/dev/vda')], before);
  });

  test('an incomplete file of an interrupted attempt takes no room from the next one', () => {
    const box = fakeDraisine({ free: 3 << 20 });
    box.put({ [`${ESP}/EFI/Linux/draisine_${NEXT}+3.efi.new`]: new Uint8Array(2 << 20) });
    stageNext(box);
    assert.ok(files(box).includes(`draisine_${NEXT}+3.efi`));
  });

  test('a release that is larger than the slot, the one that runs, a UKI that is gone: refused', () => {
    const box = fakeDraisine();
    const disk = inspectDisk(box);
    const with_ = (slot: object, uki: object) => () =>
      stage(box, disk, {
        slot: { ...nextSlot(box), ...slot },
        uki: { ...nextUki(box), ...uki },
        runningHash: HASHES.running,
      });
    assert.throws(with_({ usrSize: 4097 }, {}), /does not fit into slot b: 4097 of 4096 bytes/);
    assert.throws(with_({}, { version: '2026.1101.0' }), /2026\.1101\.0 is the running release/);
    box.remove(`${ESP}/EFI/Linux/draisine_2026.1101.0.efi`);
    assert.throws(with_({}, {}), /the UKI of the running release is not on the EFI system partition/);
  });

  test('a disk that returns other data: the slot stays empty, the ESP unchanged', () => {
    const box = fakeDraisine();
    const slot = { ...nextSlot(box), write: () => fill(box, '/dev/vda4', 'nonsense') };
    assert.throws(
      () => stage(box, inspectDisk(box), { slot, uki: nextUki(box), runningHash: HASHES.running }),
      /returns other data than was written to it: the disk is bad/,
    );
    assert.equal(inspectDisk(box).slots[1]?.version, undefined);
    const torn = fakeDraisine();
    const uki = { ...nextUki(torn), write: (path: string) => torn.writeFile(path, 'something else') };
    assert.throws(
      () => stage(torn, inspectDisk(torn), { slot: nextSlot(torn), uki, runningHash: HASHES.running }),
      /returns other data than was written/,
    );
    assert.deepEqual(files(torn), ['draisine_2026.1101.0.efi']);
  });

  test('cut off at any call, the running release boots, or the new one is whole', () => {
    const calls = count();
    assert.ok(calls > 40, `${calls} calls`);
    const outcomes = new Set<string>();
    for (let cut = 1; cut <= calls; cut++) outcomes.add(cutAt(cut));
    assert.deepEqual([...outcomes].sort(), ['new', 'running']);
  });
});

function count(): number {
  const box = fakeDraisine();
  let calls = 0;
  box.fails = () => {
    calls++;
    return undefined;
  };
  stageNext(box);
  return calls;
}

/** What would boot after a power cut at a call: the newest UKI in the menu. Its slot must be whole. */
function cutAt(cut: number): string {
  const box = fakeDraisine();
  let calls = 0;
  box.fails = () => (++calls >= cut ? 'EIO' : undefined);
  try {
    stageNext(box);
  } catch {
    // the power is off
  }
  box.fails = () => undefined;
  const ukis = listUkis(box, ESP);
  const running = ukis.find(({ version }) => version === '2026.1101.0');
  assert.deepEqual(running?.rootHash, HASHES.running, `cut ${cut}: the running UKI`);
  const disk = inspectDisk(box);
  for (const uki of ukis) {
    const slot = disk.slots.find((each) => each.version === uki.version);
    assert.ok(slot && slotHolds(slot, uki.rootHash ?? ''), `cut ${cut}: ${uki.file} has its slot`);
    const text = new TextDecoder().decode(box.readFile(slot.usr.device).subarray(0, 64));
    assert.equal(text, uki.rootHash, `cut ${cut}: ${uki.file} has a whole slot`);
  }
  return ukis.some(({ version }) => version === NEXT) ? 'new' : 'running';
}

describe('a trial', () => {
  /** The new release is staged and has been booted: the firmware has taken a try from it. */
  function onTrial({ renames = true } = {}): FakeBox {
    const box = fakeDraisine();
    stageNext(box);
    const dm = `0 8 verity 1 253:4 253:5 4096 4096 1 1 sha256 ${HASHES.next} 00\n`;
    box.program('dmsetup', () => dm);
    box.symlink('../../devices/virtio1/block/vda/vda4', '/sys/dev/block/253:4');
    box.symlink('../../devices/virtio1/block/vda/vda5', '/sys/dev/block/253:5');
    if (!renames) return box;
    box.rename(`${ESP}/EFI/Linux/draisine_${NEXT}+3.efi`, `${ESP}/EFI/Linux/draisine_${NEXT}+2-1.efi`);
    box.put({ [variable('LoaderBootCountPath')]: '' });
    return box;
  }
  const good = (box: FakeBox) => markGood(box, inspectDisk(box), HASHES.next);

  test('is committed: its UKI has no counter, and the new boot loader is installed, with the old one beside it', () => {
    const box = onTrial();
    box.program('/usr/lib/systemd/systemd-bless-boot', ([, path, verdict]) => {
      assert.deepEqual([path, verdict], [`--path=${ESP}`, 'good']);
      box.rename(`${ESP}/EFI/Linux/draisine_${NEXT}+2-1.efi`, `${ESP}/EFI/Linux/draisine_${NEXT}.efi`);
      return '';
    });
    assert.equal(countTry(box, inspectDisk(box), HASHES.next), 2);
    good(box);
    assert.deepEqual(files(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}.efi`]);
    assert.equal(box.readText(`${ESP}/EFI/BOOT/BOOTX64.EFI`), 'boot loader of 2026.1101.0');
    assert.equal(box.readText(`${ESP}/EFI/BOOT/BOOTX64.EFI.old`), 'boot loader of 2026.1001.0');
    const before = box.ran.length;
    good(box);
    assert.ok(!box.ran.slice(before).some(([name]) => name === 'cp'), 'once is enough');
  });

  test('is rejected: no tries left', () => {
    const box = onTrial();
    box.program('/usr/lib/systemd/systemd-bless-boot', () => ({ code: 1, stderr: 'no' }));
    markBad(box, inspectDisk(box), HASHES.next);
    assert.deepEqual(files(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+0-1.efi`]);
    assert.match(box.journal('warning').join(), /ended with 1: no; renaming the entry without it/);
  });

  test('under firmware that cannot rename, the box counts', () => {
    const box = onTrial({ renames: false });
    assert.equal(countTry(box, inspectDisk(box), HASHES.next), 2);
    assert.deepEqual(files(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}+2-1.efi`]);
    assert.match(box.journal('warning').join(), /cannot rename files/);
    good(box);
    assert.deepEqual(files(box), ['draisine_2026.1101.0.efi', `draisine_${NEXT}.efi`]);
    assert.equal(countTry(box, inspectDisk(box), HASHES.next), undefined);
  });

  test('going back by hand: the other release is on trial, and the running one boots if that fails', () => {
    const box = onTrial();
    box.remove(variable('LoaderBootCountPath'));
    good(box);
    const uki = bootOther(box, inspectDisk(box), HASHES.next);
    assert.equal(uki.version, '2026.1101.0');
    assert.deepEqual(files(box), ['draisine_2026.1101.0+3.efi', `draisine_${NEXT}+0-1.efi`]);
    fill(box, '/dev/vda2', 'nonsense');
    assert.throws(
      () => bootOther(box, inspectDisk(box), HASHES.next),
      /slot a no longer holds the complete release 2026\.1101\.0/,
    );
  });

  test('two names of one file, which a power cut leaves of a rename, become one before fsck.fat sees them', () => {
    const box = fakeDraisine();
    const twin = (name: string) => ({ [`${ESP}/EFI/Linux/${name}`]: makeUki(HASHES.next) });
    box.put({
      ...twin(`draisine_${NEXT}+3.efi`),
      ...twin(`draisine_${NEXT}+2-1.efi`),
      [`${ESP}/FSCK0000.REC`]: 'x',
    });
    box.program('fsck.fat', ([, option]) => {
      if (option === '-n') return { code: 1 };
      assert.deepEqual(
        files(box).filter((name) => name.includes(NEXT)),
        [`draisine_${NEXT}+2-1.efi`],
      );
      return { code: 1 };
    });
    withEsp(box, '/dev/vda1', (esp) => {
      assert.deepEqual(
        listUkis(box, esp).map(({ file }) => file),
        ['draisine_2026.1001.0.efi', 'draisine_2026.1101.0.efi', `draisine_${NEXT}+2-1.efi`],
      );
      assert.equal(box.stat(`${ESP}/FSCK0000.REC`), undefined);
    });
    assert.match(box.journal('warning').join(), /had two names after a power cut/);
    const busy = fakeDraisine();
    busy.program('findmnt', () => '/boot\n');
    withEsp(busy, '/dev/vda1', () => assert.ok(!busy.ran.some(([name]) => name === 'fsck.fat')));
  });

  test('a UKI with broken headers still keeps its slot', () => {
    const box = fakeDraisine();
    box.put({ [`${ESP}/EFI/Linux/draisine_2026.1001.0.efi`]: makeUki(HASHES.old).subarray(0, 200) });
    box.program('grep', () => `usrhash=${HASHES.old}\n`);
    assert.equal(listUkis(box, ESP)[0]?.rootHash, HASHES.old);
  });
});
