import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RandomAccess } from '../io/box.ts';
import { crc32 } from './crc32.ts';
import { changeGpt, readGpt } from './gpt.ts';
import { guidBytes, guidText, slotUuids } from './guid.ts';
import { TYPES } from './inspect.ts';
import { makeDisk, SECTOR, uuidOf } from './testing.ts';

const entries = [
  { type: TYPES.esp, label: 'draisine-esp', uuid: uuidOf(1) },
  { type: TYPES.usr, label: 'draisine_usr_2026.1129.0', uuid: uuidOf(2) },
  { type: TYPES.verity, label: '_empty', uuid: uuidOf(3) },
];

function access(
  bytes: Uint8Array,
  onWrite: (offset: number, data: Uint8Array) => void = () => {},
  onSync = () => {},
) {
  return {
    size: bytes.length,
    read: (offset: number, length: number) => bytes.slice(offset, offset + length),
    write(offset: number, data: Uint8Array) {
      onWrite(offset, data.slice());
      bytes.set(data, offset);
    },
    sync: onSync,
    close() {},
  } satisfies RandomAccess;
}

const labels = (bytes: Uint8Array) => readGpt(access(bytes), SECTOR)?.entries.map(({ label }) => label);
const changes = [
  { number: 2, label: '_empty' },
  { number: 3, label: 'draisine_usr_verity_2026.1129.123456', uuid: uuidOf(9) },
];
const BEFORE = ['draisine-esp', 'draisine_usr_2026.1129.0', '_empty'];
const AFTER = ['draisine-esp', '_empty', 'draisine_usr_verity_2026.1129.123456'];

test('crc32 is that of ISO 3309', () => {
  assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
});

test('GUIDs go both ways; UUIDs of a slot are the halves of its root hash', () => {
  assert.equal(guidText(guidBytes(TYPES.esp)), TYPES.esp);
  assert.deepEqual(
    [...guidBytes(TYPES.esp).subarray(0, 8)],
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11],
  );
  assert.deepEqual(slotUuids('00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef'), {
    usr: '00112233-4455-6677-8899-aabbccddeeff',
    verity: '01234567-89ab-cdef-0123-456789abcdef',
  });
});

test('a table is read and changed; both copies are whole afterwards', () => {
  const disk = makeDisk(entries);
  const { entries: read, whole } = readGpt(access(disk), SECTOR) ?? assert.fail();
  assert.deepEqual(whole, ['main', 'backup']);
  assert.deepEqual(read[1], { ...entries[1], number: 2, offset: 48 * SECTOR, size: 8 * SECTOR });
  changeGpt(access(disk), SECTOR, changes, '/dev/vda');
  const changed = readGpt(access(disk), SECTOR) ?? assert.fail();
  assert.deepEqual(changed.whole, ['main', 'backup']);
  assert.deepEqual(
    changed.entries.map(({ label }) => label),
    AFTER,
  );
  assert.deepEqual(
    changed.entries.map(({ uuid }) => uuid),
    [uuidOf(1), uuidOf(2), uuidOf(9)],
  );
  disk.fill(0, SECTOR, 2 * SECTOR); // the backup says the same
  assert.deepEqual(labels(disk), AFTER);
});

test('a damaged main copy: the backup counts, and the next change repairs the main copy', () => {
  const disk = makeDisk(entries);
  disk.fill(0xff, 2 * SECTOR, 3 * SECTOR);
  assert.deepEqual(readGpt(access(disk), SECTOR)?.whole, ['backup']);
  changeGpt(access(disk), SECTOR, changes, '/dev/vda');
  assert.deepEqual(readGpt(access(disk), SECTOR)?.whole, ['main', 'backup']);
  assert.deepEqual(labels(disk), AFTER);
});

test('no table, an entry that is not there, a label that would be cut: refused, nothing written', () => {
  assert.equal(readGpt(access(new Uint8Array(128 * SECTOR)), SECTOR), undefined);
  const disk = makeDisk(entries);
  const before = disk.slice();
  const change = (number: number, label: string) => () =>
    changeGpt(access(disk), SECTOR, [{ number, label }], '/dev/vda');
  assert.throws(change(4, 'x'), /the disk has no partition 4/);
  assert.throws(change(2, 'x'.repeat(37)), /has more than 36 characters/);
  assert.throws(
    () => changeGpt(access(new Uint8Array(128 * SECTOR)), SECTOR, [], '/dev/vda'),
    /no intact partition table/,
  );
  assert.deepEqual(disk, before);
});

/** A write is torn at the sectors of the disk. */
interface Write {
  readonly offset: number;
  readonly data: Uint8Array;
  /** Writes of one epoch may reach the disk in any combination: nothing was flushed between them. */
  readonly epoch: number;
}

test('after any power cut, the table is the old one or the new one', () => {
  for (const spoilt of [undefined, 2 * SECTOR, -32 * SECTOR]) {
    const before = makeDisk(entries);
    if (spoilt !== undefined) before[(before.length + spoilt) % before.length]! ^= 0xff;
    const writes: Write[] = [];
    let epoch = 0;
    changeGpt(
      access(
        before.slice(),
        (offset, data) => {
          for (let at = 0; at < data.length; at += SECTOR)
            writes.push({ offset: offset + at, data: data.subarray(at, at + SECTOR), epoch });
        },
        () => void epoch++,
      ),
      SECTOR,
      changes,
      '/dev/vda',
    );
    assert.equal(epoch, 2);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1 }), fc.infiniteStream(fc.boolean()), (cut, kept) => {
        const disk = before.slice();
        for (const { offset, data, epoch } of writes)
          if (epoch < cut || (epoch === cut && kept.next().value)) disk.set(data, offset);
        const found = labels(disk);
        assert.ok([`${BEFORE}`, `${AFTER}`].includes(`${found}`), `${found}`);
      }),
      { numRuns: 300 },
    );
  }
});
