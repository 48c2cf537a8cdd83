import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sha256 } from '../../sdk/lib/files.ts';
import { erofsArguments } from './erofs.ts';
import { rootHashOf } from './verity.ts';

const uuid = 'c1b9d5a2-f162-11cf-9ece-0020afc76f16';

describe('erofsArguments', () => {
  test('pin all settings that could differ between machines', () => {
    const args = erofsArguments({ compression: 'zstd', uuid, epoch: 1_700_000_000 }, 'out', 3);
    for (const needed of ['-b4096', '-T1700000000', '--all-time', `-U${uuid}`, '--sort=path', '--tar=f']) {
      assert.ok(args.includes(needed), needed);
    }
    assert.equal(args.at(-1), 'out');
  });

  test('refuse a UUID or time that mkfs.erofs would misread', () => {
    assert.throws(() => erofsArguments({ compression: 'lz4', uuid: 'clear', epoch: 0 }, 'out', 1), /UUID/);
    for (const epoch of [-1, 1.5, Number.NaN]) {
      assert.throws(() => erofsArguments({ compression: 'lz4', uuid, epoch }, 'out', 1), /time in seconds/);
    }
  });
});

describe('rootHashOf', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'verity-test-'));
  });
  after(() => rm(folder, { recursive: true }));

  const salt = Buffer.from('00112233', 'hex');
  function hashTree(change: (superblock: Buffer) => void = () => {}): Buffer {
    const superblock = Buffer.alloc(4096);
    superblock.write('verity');
    superblock.writeUInt32LE(1, 8);
    superblock.writeUInt32LE(1, 12);
    superblock.write('sha256', 32);
    superblock.writeUInt32LE(4096, 64);
    superblock.writeUInt32LE(4096, 68);
    superblock.writeBigUInt64LE(100n, 72);
    superblock.writeUInt16LE(salt.length, 80);
    salt.copy(superblock, 88);
    change(superblock);
    return Buffer.concat([superblock, Buffer.alloc(4096, 'top'), Buffer.alloc(4096, 'lower level')]);
  }
  async function root(data: Buffer): Promise<string> {
    const path = join(folder, 'tree');
    await writeFile(path, data);
    return await rootHashOf(path);
  }

  test('is the digest of salt and topmost block', async () => {
    assert.equal(await root(hashTree()), sha256(Buffer.concat([salt, Buffer.alloc(4096, 'top')])));
  });

  test('refuses hash trees of another kind', async () => {
    await assert.rejects(root(Buffer.alloc(100)), /too short/);
    await assert.rejects(root(hashTree((block) => block.write('VERITY'))), /no verity superblock/);
    await assert.rejects(root(hashTree((block) => block.writeUInt32LE(0, 12))), /not the kind/);
    await assert.rejects(root(hashTree((block) => block.write('sha512', 32))), /not the kind/);
    await assert.rejects(root(hashTree((block) => block.writeUInt32LE(512, 68))), /not the kind/);
    await assert.rejects(root(hashTree((block) => block.writeUInt16LE(300, 80))), /not the kind/);
    await assert.rejects(root(hashTree((block) => block.writeBigUInt64LE(1n, 72))), /single block/);
  });
});
