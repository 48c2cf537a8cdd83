import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DiskCopy, diskCopy } from './disk-copy.ts';

const SECTOR = 512;
const CHUNK = 4 << 20;

/** A disk with one ESP from sector 40 on, of 5 MiB. */
function disk(): Buffer {
  const bytes = Buffer.alloc(6 << 20);
  bytes.write('EFI PART', SECTOR, 'latin1');
  bytes.writeBigUInt64LE(2n, SECTOR + 72);
  bytes.writeUInt32LE(4, SECTOR + 80);
  bytes.writeUInt32LE(128, SECTOR + 84);
  const entry = 2 * SECTOR + 128; // the first entry is empty
  Buffer.from('28732ac11ff8d211ba4b00a0c93ec93b', 'hex').copy(bytes, entry);
  bytes.writeBigUInt64LE(40n, entry + 32);
  bytes.writeBigUInt64LE(40n + BigInt((5 << 20) / SECTOR) - 1n, entry + 40);
  return bytes;
}

async function spoil(before: Buffer, use: (copy: DiskCopy) => Promise<void>): Promise<Buffer> {
  const dir = await mkdtemp(join(tmpdir(), 'disk-copy-test-'));
  try {
    const path = join(dir, 'disk');
    await writeFile(path, before);
    const file = await open(path, 'r+');
    await use(diskCopy(file, path)).finally(() => file.close());
    return await readFile(path);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

test('partitions are found by type; one byte flipped, others as they were', async () => {
  const before = disk();
  const after = await spoil(before, async (copy) => {
    const esp = await copy.partition('esp');
    assert.deepEqual(esp, { offset: 40 * SECTOR, length: 5 << 20 });
    await assert.rejects(copy.partition('usr'), /no usr partition/);
    await copy.flip(esp.offset + 3);
    await assert.rejects(copy.flip(1 << 30), /ends before/);
  });
  before[40 * SECTOR + 3] = 0xff;
  assert.ok(before.equals(after));
  await assert.rejects(
    spoil(Buffer.alloc(4096), async (copy) => void (await copy.partition('esp'))),
    /no GPT/,
  );
});

test('text is replaced anywhere in its partition, also across the border of two reads, and only there', async () => {
  const before = disk();
  const offset = 40 * SECTOR;
  for (const at of [0, offset, offset + CHUNK - 3, offset + (5 << 20) - 5]) before.write('quiet', at);
  const after = await spoil(before, async (copy) => {
    const esp = await copy.partition('esp');
    await copy.replace(esp, 'quiet', 'loud');
    await assert.rejects(copy.replace(esp, 'quiet', 'loud'), /not on the disk/);
    await assert.rejects(copy.replace(esp, 'a', 'bc'), /longer/);
  });
  for (const at of [offset, offset + CHUNK - 3, offset + (5 << 20) - 5])
    assert.equal(after.toString('latin1', at, at + 5), 'loud ');
  assert.equal(after.toString('latin1', 0, 5), 'quiet');
});
