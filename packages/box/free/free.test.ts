import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatFreed } from '../cli/free.ts';
import { FakeBox } from '../io/fake.ts';
import { freeRoom } from './free.ts';
import { keepReserve, RESERVE, RESERVE_BYTES } from './reserve.ts';

const MiB = 2 ** 20;
const DAY = 24 * 3_600_000;

/** A box whose state partition has some room; what is removed makes more. */
function box(available = 1024 * MiB, kind = 'ext2/ext3') {
  const made = new FakeBox();
  const state = { available };
  made.program(
    'df',
    () => `     Avail Use% Type\n${state.available} ${state.available < 600 * MiB ? 91 : 40}% ${kind}\n`,
  );
  made.program('fallocate', ([, , size = '', path = '']) => {
    made.put({ [path]: new Uint8Array(Number(size)) });
    state.available -= Number(size);
    return '';
  });
  made.program('journalctl', () => {
    state.available += 72 * MiB;
    return {
      stderr:
        'Vacuuming done, freed 72.0M of archived journals from /var/log/journal/1.\nVacuuming done, freed 0B of archived journals from /run/log/journal.\n',
    };
  });
  return Object.assign(made, { state });
}

describe('the reserve', () => {
  test('is made once, where it takes little of the room', () => {
    const roomy = box();
    keepReserve(roomy);
    keepReserve(roomy);
    assert.equal(roomy.stat(RESERVE)?.size, RESERVE_BYTES);
    assert.equal(roomy.ran.filter(([name]) => name === 'fallocate').length, 1);
    const full = box(400 * MiB);
    keepReserve(full);
    assert.equal(full.stat(RESERVE), undefined);
  });

  test('is not made in a live system', () => {
    const live = box(8192 * MiB, 'tmpfs');
    keepReserve(live);
    assert.equal(live.stat(RESERVE), undefined);
  });

  test('that cannot be made is a warning, and leaves no file', () => {
    const bad = box();
    bad.program('fallocate', ([, , , path = '']) => {
      bad.put({ [path]: 'x' });
      return { code: 1, stderr: 'fallocate failed: No space left on device\n' };
    });
    keepReserve(bad);
    assert.equal(bad.stat(RESERVE), undefined);
    assert.match(bad.journal('warning').join(), /cannot make the reserve.*No space left/);
  });
});

const images = [
  { Id: 'a'.repeat(64), Names: ['docker.io/library/used:1'], Containers: 1, Size: 10 * MiB },
  { Id: 'b'.repeat(64), Names: ['docker.io/library/stopped:latest'], Containers: 0, Size: 20 * MiB },
  { Id: 'c'.repeat(64), Names: ['localhost/built:1'], Containers: 0, Size: 30 * MiB },
  // podman lists it for each of its names.
  ...['1', 'latest'].map(() => ({
    ...{ Id: 'd'.repeat(64), Names: ['ghcr.io/old/app:1', 'ghcr.io/old/app:latest'] },
    ...{ Containers: 0, Size: 40 * MiB },
  })),
  { Id: 'e'.repeat(64), Names: null, Containers: 0, Size: 50 * MiB },
  {
    ...{ Id: 'f'.repeat(64), Names: ['ghcr.io/pinned/app:1'], Containers: 0, Size: 60 * MiB },
    RepoDigests: [
      `ghcr.io/pinned/app@sha256:${'1'.repeat(64)}`,
      `ghcr.io/pinned/app@sha256:${'2'.repeat(64)}`,
    ],
  },
];

function withImages() {
  const full = box(100 * MiB).put({
    [RESERVE]: new Uint8Array(RESERVE_BYTES),
    '/var/lib/containers/storage/overlay-images/images.json': '[]',
    '/etc/containers/systemd/nightly.container': '[Container]\nImage=docker.io/library/stopped\n',
    '/etc/containers/systemd/pinned.container': `[Container]\nImage=ghcr.io/pinned/app:3@sha256:${'2'.repeat(64)}\n`,
  });
  full.program('podman', (argv) => {
    if (argv[1] === 'images') return JSON.stringify(images);
    const words = argv.slice(3).join();
    const image = images.find(({ Id, Names }) => (Names ?? [Id]).join() === words);
    if (!image) return { code: 125, stderr: 'Error: unable to delete image by ID with more than one tag' };
    full.state.available += image.Size;
    return '';
  });
  return full;
}

describe('draisine free', () => {
  test('removes unused images and old messages, and lists them', () => {
    const full = withImages();
    const freed = freeRoom(full);
    assert.deepEqual(
      full.ran.filter(([name, verb]) => name === 'podman' && verb === 'image').map((argv) => argv.slice(3)),
      [['ghcr.io/old/app:1', 'ghcr.io/old/app:latest'], ['e'.repeat(64)]],
      'neither one with a container, nor one that a unit names or pins, nor one that was built here',
    );
    assert.deepEqual(freed.removed, [
      '72.0M of old journal messages',
      'image ghcr.io/old/app:1, 40 MiB',
      `image ${'e'.repeat(12)}, 50 MiB`,
      'the reserve of 64 MiB; it is made again when there is room',
    ]);
    assert.match(
      formatFreed(freed),
      /^removed {2}72\.0M.*\nfreed {4}162 MiB; the state partition is 91 % full.*\nstill {4}full: podman system df/s,
    );
  });

  test('removes the reserve before it calls podman, and makes it again', () => {
    const full = withImages();
    const podman = full.programs.get('podman');
    full.program('podman', (argv, options, self) => {
      assert.equal(full.stat(RESERVE), undefined);
      full.state.available = 2048 * MiB;
      return podman?.(argv, options, self) ?? '';
    });
    freeRoom(full);
    assert.equal(full.stat(RESERVE)?.size, RESERVE_BYTES);
  });

  test('an image that cannot be removed is kept, with the reason', () => {
    const full = withImages();
    full.program('podman', (argv) =>
      argv[1] === 'images'
        ? JSON.stringify(images.slice(3, 4))
        : { code: 2, stderr: 'Error: image is in use\n' },
    );
    assert.match(freeRoom(full).failed.join(), /image ghcr\.io\/old\/app:1: .*image is in use/);
  });

  test('old leftovers of pulls are removed', () => {
    const full = box();
    full.put({ '/var/tmp/container_images_storage1': 'x', '/var/tmp/mine': 'x' });
    full.advance(2 * DAY);
    full.put({ '/var/tmp/container_images_storage2': 'x' });
    assert.match(freeRoom(full).removed.join(), /container_images_storage1, of an interrupted pull/);
    assert.deepEqual(full.list('/var/tmp'), ['container_images_storage2', 'mine']);
  });

  test('podman is not called if it was never used', () => {
    const fresh = box();
    freeRoom(fresh);
    assert.ok(!fresh.ran.some(([name]) => name === 'podman'));
  });
});
