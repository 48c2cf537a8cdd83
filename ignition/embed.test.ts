import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CONFIG_AREA } from '../build/media/iso-config.ts';

const DRAISINE = fileURLToPath(new URL('../draisine', import.meta.url));
const SECTOR = 2048;
const AREA = 20;

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'draisine-embed-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function place(name: string, content: string | Buffer): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** A fake ISO with the parts that the verb reads. build/media/iso.test.ts has real ones. */
function blank(name: string): string {
  const bytes = Buffer.alloc((AREA + 1) * SECTOR + CONFIG_AREA, 'kept');
  const descriptor = bytes.subarray(16 * SECTOR, 17 * SECTOR).fill(0);
  descriptor.write('\x01CD001\x01', 0, 'latin1');
  descriptor.write('DRAISINE'.padEnd(128), 574, 'latin1');
  descriptor.writeUInt32LE(18, 156 + 2);
  descriptor.writeUInt32LE(SECTOR, 156 + 10);
  const root = bytes.subarray(18 * SECTOR, 19 * SECTOR).fill(0);
  const file = 'IGNITION.IGN;1';
  root[0] = 34 + file.length;
  root.writeUInt32LE(AREA, 2);
  root.writeUInt32LE(CONFIG_AREA, 10);
  root[32] = file.length;
  root.write(file, 33, 'latin1');
  bytes.fill('\n', AREA * SECTOR, AREA * SECTOR + CONFIG_AREA);
  return place(name, bytes);
}

function embed(...args: string[]) {
  const { status, stderr } = spawnSync(DRAISINE, ['iso', 'embed', ...args], {
    encoding: 'utf8',
    cwd: folder,
  });
  return { status, stderr };
}

const area = (path: string): string =>
  readFileSync(path)
    .subarray(AREA * SECTOR, AREA * SECTOR + CONFIG_AREA)
    .toString()
    .trimEnd();
const CONFIG = '{"ignition":{"version":"3.3.0"}}';

describe('iso embed', () => {
  test('-o writes an image that differs only by the config; the original image is not changed', () => {
    const image = blank('a.iso');
    const before = readFileSync(image);
    chmodSync(image, 0o444); // a built image is read-only
    const output = join(folder, 'a-out.iso');
    assert.deepEqual(embed(image, place('a.ign', `${CONFIG}\n`), '-o', output), { status: 0, stderr: '' });
    assert.equal(area(output), CONFIG);
    const after = readFileSync(output);
    after.fill('\n', AREA * SECTOR, AREA * SECTOR + CONFIG_AREA);
    assert.ok(after.equals(before));
    assert.ok(readFileSync(image).equals(before));
    assert.equal(statSync(output).mode & 0o777, 0o666 & ~process.umask());
  });

  test('a config is embedded in place, replaced by a shorter one, and removed', () => {
    const image = blank('b.iso');
    const before = readFileSync(image);
    const butane =
      'variant: fcos\nversion: 1.4.0\nstorage:\n  files: [{path: /etc/long, contents: {inline: text}}]\n';
    assert.equal(embed(image, place('b.bu', butane)).status, 0);
    assert.match(area(image), /^\{.*"\/etc\/long".*\}$/);
    assert.equal(embed(image, place('b.ign', CONFIG)).status, 0);
    assert.equal(area(image), CONFIG);
    assert.equal(embed(image, '--remove').status, 0);
    assert.ok(readFileSync(image).equals(before));
  });

  test('a refused call changes no file', () => {
    const image = blank('c.iso');
    const before = readFileSync(image);
    const config = place('c.ign', CONFIG);
    const long = place('long.ign', CONFIG.replace('}}', `}${' '.repeat(CONFIG_AREA)}}`));
    const names = readdirSync(folder);
    for (const [args, status, reason] of [
      [[image, place('c.ign', CONFIG).replace('c.ign', 'none.ign')], 2, /no such config/],
      [[image, long], 2, /room for 262144/],
      [[image], 2, /no config is named/],
      [[image, config, '--remove'], 2, /a config and --remove exclude each other/],
      [[config, config], 2, /not an ISO image of Draisine: it is cut off/],
      [[join(folder, 'none.iso'), config], 2, /no such ISO image/],
      [[folder, config], 2, /not a file/],
      [[image, config, '-o', folder], 2, /cannot write: it is a folder/],
      [[image, config, '-o', join(folder, 'none/out.iso')], 2, /cannot write: its folder does not exist/],
    ] as const) {
      const result = embed(...args);
      assert.equal(result.status, status, result.stderr);
      assert.match(result.stderr, reason);
      assert.equal(result.stderr.match(/^error: /gm)?.length, 1, result.stderr);
    }
    const invalid = embed(
      image,
      place('invalid.ign', '{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"a"}]}}'),
    );
    assert.equal(invalid.status, 1);
    assert.match(invalid.stderr, /path not absolute.*\nerror: nothing embedded: 1 error/);
    assert.ok(readFileSync(image).equals(before));
    assert.deepEqual(readdirSync(folder).sort(), [...names, 'invalid.ign'].sort());
  });
});
