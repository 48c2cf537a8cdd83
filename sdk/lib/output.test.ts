import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { writeOutput } from './output.ts';

let folder = '';
let umask = 0;
before(() => {
  umask = process.umask(0o027);
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'draisine-output-'));
});
after(() => {
  process.umask(umask);
});
const mode = (path: string): number => statSync(path).mode & 0o777;
const own = (body: () => Promise<void>) => async (): Promise<void> => {
  try {
    await body();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

test(
  'a new file gets its mode from the umask, an existing file keeps its mode; only the owner can read a secret',
  own(async () => {
    const path = join(folder, 'file');
    await writeOutput(path, 'new');
    assert.equal(mode(path), 0o640);
    chmodSync(path, 0o606);
    await writeOutput(path, 'again');
    assert.deepEqual([mode(path), readFileSync(path, 'utf8')], [0o606, 'again']);
    await writeOutput(path, 'secret', { secret: true });
    assert.equal(mode(path), 0o600);
    assert.deepEqual(readdirSync(folder), ['file']);
  }),
);

test(
  'links are followed, also a link to a file that does not exist yet',
  own(async () => {
    const path = join(folder, 'file');
    symlinkSync('file', join(folder, 'link'));
    symlinkSync(join(folder, 'link'), join(folder, 'further'));
    for (const text of ['first', 'second']) {
      await writeOutput(join(folder, 'further'), text);
      assert.equal(readFileSync(path, 'utf8'), text);
    }
    for (const link of ['link', 'further']) assert.ok(lstatSync(join(folder, link)).isSymbolicLink());
    assert.deepEqual(readdirSync(folder), ['file', 'further', 'link']);
  }),
);

test(
  'devices and pipes are written to, and are not replaced by a file',
  own(async () => {
    await writeOutput('/dev/null', 'x');
    assert.ok(statSync('/dev/null').isCharacterDevice());
    const pipe = join(folder, 'pipe');
    assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
    const program = `import { writeOutput } from ${JSON.stringify(new URL('output.ts', import.meta.url).href)};
await Promise.all([writeOutput(${JSON.stringify(pipe)}, 'through'), writeOutput('/dev/stdout', 'out')]);`;
    const script = `cat ${pipe} & "$@" | cat; wait`;
    const { stdout, stderr } = spawnSync(
      'sh',
      [
        '-c',
        script,
        'sh',
        process.execPath,
        '--import',
        import.meta.resolve('tsx'),
        '--input-type=module',
        '-e',
        program,
      ],
      { encoding: 'utf8' },
    );
    assert.equal(stderr, '');
    assert.deepEqual([stdout.includes('through'), stdout.includes('out')], [true, true]);
    assert.ok(statSync(pipe).isFIFO());
  }),
);

test(
  'the error for a path that cannot be written has the reason; no folder is made',
  own(async () => {
    writeFileSync(join(folder, 'file'), 'old');
    symlinkSync('circle', join(folder, 'circle'));
    const cases: readonly (readonly [path: string, message: RegExp])[] = [
      ['', /no name/],
      [folder, /it is a folder/],
      [join(folder, 'none/sub/file'), /its folder does not exist/],
      [join(folder, 'file/below'), /leads through a file/],
      [join(folder, 'circle'), /in a circle/],
      [join(folder, 'n'.repeat(300)), /too long/],
    ];
    for (const [path, message] of cases)
      await assert.rejects(writeOutput(path, 'x'), { name: 'Failure', exitCode: 2, message });
    assert.equal(existsSync(join(folder, 'none')), false);
    assert.deepEqual(readdirSync(folder), ['circle', 'file']);
    await assert.rejects(writeOutput('/dev/full', 'x'), {
      name: 'Failure',
      exitCode: 1,
      message: /no space/,
    });
  }),
);
