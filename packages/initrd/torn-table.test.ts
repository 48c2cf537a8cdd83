import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildTargets } from '../../build/graph/run.ts';
import { loadImage } from '../../build/product/images.ts';
import { toolCommand } from '../../sdk/tool.ts';
import { makeDisk, SECTOR } from '../box/disk/testing.ts';
import { installedTable } from '../box/install/testing.ts';

/* The script of the initrd, with the image's own partx. Only the kernel is not asked to add partitions. */

const SCRIPT = fileURLToPath(new URL('../overlays/initrd/usr/lib/draisine/torn-table', import.meta.url));

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-table-'));
  const target = (await loadImage('n100', { dev: false })).targets['n100:root'];
  assert.ok(target);
  const root = (await buildTargets([target])).get(target.name)?.path ?? '';
  const { file, args } = toolCommand(root, 'partx');
  await mkdir(join(folder, 'bin'));
  const partx = join(folder, 'bin/partx');
  await writeFile(
    partx,
    `#!/bin/sh\nif [ "$1" = --add ]; then echo "$*" >>${folder}/added; else exec ${file} ${args.join(' ')} "$@"; fi\n`,
  );
  await chmod(partx, 0o755);
});
after(() => rm(folder, { recursive: true, force: true }));

/** The partitions of a disk that the script has added. */
async function added(disk: Uint8Array): Promise<string> {
  const path = join(folder, 'disk');
  await writeFile(path, disk);
  await writeFile(join(folder, 'added'), '');
  const { status, stderr } = spawnSync('sh', [SCRIPT, `..${path}`], {
    env: { PATH: `${join(folder, 'bin')}:${process.env.PATH}` },
    encoding: 'utf8',
  });
  assert.deepEqual([status, stderr], [0, '']);
  return (await readFile(join(folder, 'added'), 'utf8')).trim();
}

const torn = (disk: Uint8Array) => disk.fill(0, SECTOR, 2 * SECTOR);

test('a disk of ours whose first copy is torn gets its partitions', async () => {
  assert.equal(await added(torn(makeDisk(installedTable()))), `--add /dev/..${folder}/disk`);
});

test('a disk that is not ours is left alone', async () => {
  const theirs = installedTable().map((entry, index) => ({
    ...entry,
    label: `theirs ${index} draisine-esp`,
  }));
  assert.equal(await added(torn(makeDisk(theirs))), '');
});
