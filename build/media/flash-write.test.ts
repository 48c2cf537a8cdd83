import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { fakeTree } from '../../sdk/testing.ts';
import type { Roots } from './flash-device.ts';
import { findTarget, openTarget, readerOf } from './flash-target.ts';
import { writeImage } from './flash-write.ts';
import { mappedRanges, type Range } from './image-map.ts';
import { diskImage, MiB, mib, SIZE } from './testing.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-flash-write-'));
});
after(() => rm(folder, { recursive: true, force: true }));
const own = () => mkdtemp(join(folder, 'own-'));

describe('writing', () => {
  /** Writes an image with a hole in its map to a medium with old data. */
  async function writing(
    size: number,
    options: {
      readBack?: (data: Buffer, range: Range) => Buffer;
      at?: (done: number, abort: () => void) => void;
    } = {},
  ) {
    const where = await own();
    const image = randomBytes(12 * MiB);
    const old = Buffer.alloc(size, 0xee);
    await writeFile(join(where, 'image'), image);
    await writeFile(join(where, 'medium'), old);
    const source = await open(join(where, 'image'), 'r');
    const target = await open(join(where, 'medium'), 'r+');
    const controller = new AbortController();
    const stages: string[] = [];
    try {
      const written = await writeImage({
        image: source,
        imageSize: image.length,
        ranges: [mib(0, 6), mib(8, 12)],
        target,
        targetSize: size,
        readBack: async (range) => {
          const data = Buffer.alloc(range.length);
          await target.read(data, 0, range.length, range.offset);
          return options.readBack?.(data, range) ?? data;
        },
        signal: controller.signal,
        onProgress: (stage, done, total) => {
          stages.push(`${stage} ${done / MiB} ${total / MiB}`);
          if (stage === 'writing') options.at?.(done, () => controller.abort());
        },
      }).then(
        (bytes) => ({ bytes }),
        (error: unknown) => ({ error }),
      );
      return { ...written, image, stages, medium: await readFile(join(where, 'medium')) };
    } finally {
      await source.close();
      await target.close();
    }
  }
  const only = (data: Buffer, byte: number): boolean => data.every((each) => each === byte);

  test('mapped ranges are written, other ranges keep their data, the end is wiped, and the beginning is written last', async () => {
    const result = await writing(20 * MiB);
    assert.ok('bytes' in result);
    const { bytes, image, medium, stages } = result;
    assert.equal(bytes, 11 * MiB);
    for (const [from, to] of [
      [0, 6],
      [8, 12],
    ] as const)
      assert.ok(medium.subarray(from * MiB, to * MiB).equals(image.subarray(from * MiB, to * MiB)));
    assert.ok(only(medium.subarray(6 * MiB, 8 * MiB), 0xee));
    assert.ok(only(medium.subarray(12 * MiB, 19 * MiB), 0xee));
    assert.ok(only(medium.subarray(19 * MiB), 0));
    assert.deepEqual(stages.slice(0, 1), ['writing 1 11']);
    assert.deepEqual(stages.slice(-3), ['verifying 10 11', 'writing 11 11', 'verifying 11 11']);
  });

  test('a medium that is as large as the image or a little larger', async () => {
    for (const size of [12 * MiB, 12 * MiB + 512, 13 * MiB - 512]) {
      const result = await writing(size);
      assert.ok('bytes' in result);
      assert.ok(result.medium.subarray(8 * MiB, 12 * MiB).equals(result.image.subarray(8 * MiB)));
      assert.ok(only(result.medium.subarray(12 * MiB), 0));
    }
  });

  test('after an abort, the medium has no partition table', async () => {
    for (const stopAt of [1, 5, 10]) {
      const result = await writing(20 * MiB, {
        at: (done, abort) => {
          if (done === stopAt * MiB) abort();
        },
      });
      assert.ok('error' in result, `${stopAt}`);
      assert.equal((result.error as Error).name, 'AbortError');
      assert.ok(only(result.medium.subarray(0, MiB), 0));
      assert.ok(only(result.medium.subarray(19 * MiB), 0));
    }
  });

  test('a medium that returns other data is an error, and it cannot boot', async () => {
    const result = await writing(20 * MiB, {
      readBack: (data, { offset }) => {
        if (offset === 8 * MiB) data[17] = (data[17] ?? 0) ^ 1;
        return data;
      },
    });
    assert.ok('error' in result && result.error instanceof Failure);
    assert.match(result.error.message, /returns other data than was written to it, at byte 8388608/);
    assert.ok(only(result.medium.subarray(0, MiB), 0));
    const short = await writing(20 * MiB, { readBack: (data) => data.subarray(1) });
    assert.ok('error' in short && short.error instanceof Failure);
  });

  test('a medium that refuses a write', async () => {
    const full = await open('/dev/full', 'r+');
    const image = await open('/dev/zero', 'r');
    try {
      await assert.rejects(
        writeImage({
          image,
          imageSize: MiB,
          ranges: [mib(0, 1)],
          target: full,
          targetSize: 2 * MiB,
          readBack: async () => Buffer.alloc(0),
          signal: new AbortController().signal,
          onProgress: () => {},
        }),
        /cannot write to the medium at byte 0 \(ENOSPC\)/,
      );
    } finally {
      await full.close();
      await image.close();
    }
  });
});

/** A loop device on `path`, or the reason why there is none. */
function loopDevice(path: string): { device: string } | { why: string } {
  if (process.getuid?.() !== 0) return { why: 'loop devices need root' };
  try {
    return {
      device: execFileSync('losetup', ['--find', '--show', path], { stdio: 'pipe' }).toString().trim(),
    };
  } catch (error) {
    return {
      why: `losetup does not work here: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`,
    };
  }
}

test('a block device is opened exclusively and read back past the page cache', async (t) => {
  const where = await own();
  const file = join(where, 'medium');
  await writeFile(file, randomBytes(60 * MiB));
  const loop = loopDevice(file);
  if ('why' in loop) return t.skip(loop.why);
  const { device } = loop;
  try {
    const roots: Roots = { sys: '/sys', proc: '/proc', udev: '/run/udev/data' };
    const asked = { path: device, imageSize: SIZE, imageSector: 512, file: true };
    await assert.rejects(findTarget({ ...asked, file: false }, roots), /is a software device/);
    await assert.rejects(findTarget({ ...asked, imageSize: 61 * MiB }, roots), /too small/);
    const target = await findTarget(asked, roots);
    assert.equal(target.size, 60 * MiB);
    const sdk = await fakeTree(join(where, 'sdk'), { dd: 'PATH=/usr/bin:/bin; exec dd "$@"' });
    const image = diskImage();
    randomBytes(MiB).copy(image, 34 * MiB);
    await writeFile(join(where, 'image'), image);
    const source = await open(join(where, 'image'), 'r');
    const handle = await openTarget(target);
    try {
      await assert.rejects(openTarget(target), { exitCode: 2, message: /is in use/ });
      const ranges = await mappedRanges(source, SIZE);
      await writeImage({
        image: source,
        imageSize: SIZE,
        ranges,
        target: handle,
        targetSize: target.size,
        readBack: readerOf(target, sdk),
        signal: new AbortController().signal,
        onProgress: () => {},
      });
      const medium = await readFile(file);
      for (const { offset, length } of ranges) {
        const digest = (data: Buffer): string =>
          createHash('sha256')
            .update(data.subarray(offset, offset + length))
            .digest('hex');
        assert.equal(digest(medium), digest(image));
      }
    } finally {
      await handle.close();
      await source.close();
    }
  } finally {
    execFileSync('losetup', ['--detach', device]);
    await truncate(file, 0);
  }
});
