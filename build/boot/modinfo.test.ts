import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { moduleName, modulesNeeded, readModInfo } from './modinfo.ts';
import { makeModule } from './testing.ts';

test('tags are read in order; a value may be empty, and may contain equals signs', () => {
  const info = readModInfo(
    makeModule([
      ['license', 'GPL'],
      ['alias', 'pci:v1'],
      ['alias', 'of:N*T*=x'],
      ['depends', ''],
    ]),
    'x',
  );
  assert.deepEqual(
    [...info],
    [
      ['license', ['GPL']],
      ['alias', ['pci:v1', 'of:N*T*=x']],
      ['depends', ['']],
    ],
  );
});

test('a file that is not a module is refused by name', () => {
  const refuses = (bytes: Buffer, what: RegExp) =>
    assert.throws(
      () => readModInfo(bytes, 'kernel/odd.ko'),
      (error) => error instanceof Failure && what.test(error.message) && error.where === 'kernel/odd.ko',
    );
  refuses(Buffer.alloc(0), /not an ELF64/);
  refuses(Buffer.alloc(4096), /not an ELF64/);
  refuses(Buffer.from('fd377a585a00', 'hex'), /not an ELF64/); // still compressed
  const narrow = makeModule([]);
  narrow[4] = 1;
  refuses(narrow, /not an ELF64/);
  refuses(makeModule([['a', 'b']], { section: '.comment' }), /no \.modinfo section/);
});

test('a module that is truncated at any place is refused by name', () => {
  const whole = makeModule([
    ['license', 'GPL'],
    ['depends', 'spl'],
  ]);
  for (let length = 0; length < whole.length; length++) {
    assert.throws(
      () => readModInfo(whole.subarray(0, length), 'kernel/odd.ko'),
      (error) => error instanceof Failure && error.where === 'kernel/odd.ko',
      `${length} of ${whole.length} bytes`,
    );
  }
  const far = Buffer.from(whole);
  far.writeBigUInt64LE(2n ** 63n, 0x28); // a section table beyond any file
  assert.throws(() => readModInfo(far, 'kernel/odd.ko'), { name: 'Failure', where: 'kernel/odd.ko' });
});

test('a module needs its dependencies and the pre: modules of its soft dependencies', () => {
  const needs = (...info: [string, string][]) => modulesNeeded(readModInfo(makeModule(info), 'x'));
  assert.deepEqual(needs(['depends', 'spl,zlib-deflate']), { hard: ['spl', 'zlib_deflate'], soft: [] });
  assert.deepEqual(needs(['depends', '']), { hard: [], soft: [] });
  assert.deepEqual(needs(['softdep', 'pre: crc32c  aes-generic post: later'], ['softdep', 'post: x']), {
    hard: [],
    soft: ['crc32c', 'aes_generic'],
  });
  assert.deepEqual(needs(['softdep', 'pre: one']), { hard: [], soft: ['one'] });
});

test('names of modules: - and _ are the same; folders and suffixes are ignored', () => {
  const paths = ['kernel/fs/dm-verity.ko.xz', 'dm_verity', 'x/dm-verity.ko', 'dm-verity.ko.zst'];
  assert.deepEqual(new Set(paths.map(moduleName)), new Set(['dm_verity']));
});
