import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { inlineBytes } from './content.ts';
import { readElf } from './elf.ts';
import type { Content } from './entry.ts';
import { libraryClosure } from './libraries.ts';
import { mergeLayers } from './merge.ts';
import { file, hardlink, makeElf, symlink } from './testing.ts';

const read = (content: Content) => ('inline' in content ? inlineBytes(content) : assert.fail());
const LIB = 'usr/lib/x86_64-linux-gnu';

describe('readElf', () => {
  test('reads the libraries that a program needs', () => {
    const note =
      '[{"soname":["libx.so.2","libx.so.1"],"feature":"x","priority":"suggested"},{"soname":["liby.so"]}]';
    const elf = readElf(
      makeElf({
        interpreter: '/lib64/ld.so',
        needed: ['liba.so', 'libb.so'],
        runpath: '/a:$ORIGIN',
        soname: 'me',
        dlopen: note,
      }),
      'x',
    );
    assert.deepEqual(elf, {
      interpreter: '/lib64/ld.so',
      soname: 'me',
      needed: ['liba.so', 'libb.so'],
      runpath: ['/a', '$ORIGIN'],
      dlopen: [
        { soname: ['libx.so.2', 'libx.so.1'], feature: 'x', priority: 'suggested' },
        { soname: ['liby.so'], priority: 'recommended' },
      ],
    });
  });

  test('reads the program that runs this test', async () => {
    const { readFile } = await import('node:fs/promises');
    const elf = readElf(await readFile(process.execPath), process.execPath);
    assert.match(elf.interpreter ?? '', /ld-.*\.so/);
    assert.ok(elf.needed.some((name) => name.startsWith('libc.so')));
  });

  test('refuses an ELF file that is truncated at any length, with a Failure', () => {
    const whole = makeElf({ interpreter: '/ld', needed: ['liba.so'], dlopen: '[{"soname":["x"]}]' });
    for (let length = 0; length < whole.length - 8; length += 1) {
      try {
        readElf(whole.subarray(0, length), 'cut');
      } catch (error) {
        assert.ok(error instanceof Failure, `${length}: ${error}`);
      }
    }
    assert.throws(() => readElf(makeElf({ dlopen: '{"no":"array"}' }), 'x'), /damaged ELF file: .*array/);
    assert.throws(() => readElf(Buffer.from('#!/bin/sh'), 'x'), /not an ELF file/);
    const big = makeElf({});
    big[5] = 2;
    assert.throws(() => readElf(big, 'x'), /64-bit little-endian/);
  });
});

describe('libraryClosure', () => {
  const entries = [
    symlink('lib64', 'usr/lib64'),
    symlink('usr/lib64/ld.so', `../lib/x86_64-linux-gnu/ld.so`),
    file(`${LIB}/ld.so`, makeElf({})),
    file('usr/bin/tool', makeElf({ interpreter: '/lib64/ld.so', needed: ['liba.so.1'] })),
    hardlink('usr/bin/tool2', 'usr/bin/tool'),
    file('usr/bin/script', '#!/bin/sh'),
    symlink(`${LIB}/liba.so.1`, 'liba.so.1.2'),
    file(`${LIB}/liba.so.1.2`, makeElf({ needed: ['libb.so', 'liba.so.1'] })),
    file(
      'usr/lib/libb.so',
      makeElf({ dlopen: '[{"soname":["libopt.so.2","libopt.so.1"],"priority":"recommended"}]' }),
    ),
    file(`${LIB}/libopt.so.1`, makeElf({})),
    file(
      'usr/bin/private',
      makeElf({ needed: ['libcore.so', 'libshared.so'], runpath: '$ORIGIN/../private' }),
    ),
    file('usr/private/libcore.so', makeElf({ needed: ['libshared.so'] })),
    file('usr/private/libshared.so', makeElf({})),
    file('usr/bin/lost', makeElf({ needed: ['libcore.so'] }), { origin: 'deb:lost' }),
    file(
      'usr/bin/demanding',
      makeElf({ dlopen: '[{"soname":["libnone.so"],"feature":"f","priority":"required"}]' }),
    ),
  ];
  const tree = mergeLayers([{ overlay: 'test', entries }]);

  test('brings libraries, the linker and the symlinks to them, each once', () => {
    const chain = [
      'lib64',
      'usr/lib/libb.so',
      `${LIB}/ld.so`,
      `${LIB}/liba.so.1`,
      `${LIB}/liba.so.1.2`,
      'usr/lib64/ld.so',
    ];
    assert.deepEqual(libraryClosure(tree, ['usr/bin/tool'], read), chain);
    assert.deepEqual(libraryClosure(tree, ['usr/bin/tool2', 'usr/bin/script'], read), chain);
  });

  test('brings libraries for dlopen from the given priority on', () => {
    const wide = libraryClosure(tree, ['usr/bin/tool'], read, { dlopen: 'recommended' });
    assert.ok(wide.includes(`${LIB}/libopt.so.1`));
    assert.throws(
      () => libraryClosure(tree, ['usr/bin/demanding'], read),
      /\/usr\/bin\/demanding needs libnone.so \(dlopen, f\)/,
    );
  });

  test('finds libraries through RUNPATH, and those already loaded by the program', () => {
    assert.deepEqual(libraryClosure(tree, ['usr/bin/private'], read), [
      'usr/private/libcore.so',
      'usr/private/libshared.so',
    ]);
    assert.throws(
      () => libraryClosure(tree, ['usr/private/libcore.so'], read),
      /libcore.so needs libshared.so/,
    );
  });

  test('names program and library when one is missing', () => {
    assert.throws(
      () => libraryClosure(tree, ['usr/bin/lost'], read),
      (error) =>
        error instanceof Failure &&
        /\/usr\/bin\/lost needs libcore.so/.test(error.message) &&
        error.where === 'deb:lost',
    );
    assert.throws(
      () => libraryClosure(tree, ['usr/bin/nothing'], read),
      /\/usr\/bin\/nothing is not in the tree/,
    );
  });
});
