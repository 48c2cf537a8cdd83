import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { toolCommand } from '../../sdk/tool.ts';
import { sdkTree } from '../image/sdk.ts';
import { makeFrame } from './testing.ts';
import { cutFrames, ukiIndex } from './uki-index.ts';

const folder = mkdtempSync(join(tmpdir(), 'draisine-index-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const put = (name: string, bytes: Uint8Array): string => {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
};

test('a file of zstd frames is cut at their ends: a frame without content, one of zeros, one of several blocks', async () => {
  const sdk = await sdkTree('sdk-image');
  const contents = [
    Buffer.alloc(0),
    Buffer.from('short'),
    Buffer.alloc(300_000),
    Buffer.from(Array.from({ length: 500_000 }, (_, index) => (index * index) % 251)),
  ];
  for (const options of [['-19', '-T2'], ['-1'], ['-3', '--no-check'], ['-3', '--no-content-size']]) {
    const frames = contents.map((content, index) => {
      const { file, args, env } = toolCommand(sdk, 'zstd', ['-qc', ...options, put(String(index), content)]);
      return execFileSync(file, args, { env });
    });
    assert.deepEqual(cutFrames(Buffer.concat(frames)), frames, options.join(' '));
  }
});

test('content other than frames is one piece; half a frame, and bytes behind a frame, are errors', () => {
  const kernel = Buffer.from('MZ and so on');
  assert.deepEqual(cutFrames(kernel), [kernel]);
  assert.deepEqual(cutFrames(Buffer.from('MZ')), [Buffer.from('MZ')]);
  const frame = makeFrame(Buffer.from('content'));
  assert.deepEqual(cutFrames(Buffer.concat([frame, frame])), [frame, frame]);
  for (const end of [4, 8, 11, frame.length - 1]) {
    assert.throws(() => cutFrames(frame.subarray(0, end)), Failure, `${end} bytes`);
    assert.throws(() => cutFrames(Buffer.concat([frame, frame.subarray(0, end)])), Failure, `${end} bytes`);
  }
  assert.throws(() => cutFrames(Buffer.concat([frame, Buffer.alloc(16)])), Failure);
});

test('the index has a line for each piece, with its offset in the section', async () => {
  const [kernel, one, two] = ['MZ', 'one', 'two'].map((text) => Buffer.from(text)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const frames = [makeFrame(one), makeFrame(two)] as const;
  const index = await ukiIndex([
    ['.linux', put('linux', kernel)],
    ['.initrd', put('initrd', Buffer.concat(frames))],
  ]);
  assert.equal(
    index,
    `.linux 0 2 ${sha256(kernel)}\n.initrd 0 ${frames[0].length} ${sha256(frames[0])}\n` +
      `.initrd ${frames[0].length} ${frames[1].length} ${sha256(frames[1])}\n`,
  );
});
