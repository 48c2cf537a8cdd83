import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { canonicalJson } from '../../sdk/lib/files.ts';
import type { Target } from '../graph/target.ts';
import { given, runRecipe } from '../graph/testing-recipe.ts';
import type { Tree } from '../tree/entry.ts';
import { dir, file, symlink } from '../tree/testing.ts';
import { firmwareFiles, microcodeInitrd } from './firmware.ts';
import { makeModule } from './testing.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-firmware-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function document(value: unknown): Promise<Target> {
  const own = await mkdtemp(join(folder, 'document-'));
  await writeFile(join(own, 'json'), canonicalJson(value));
  return await given(join(own, 'json'));
}

async function output(target: Target): Promise<Buffer> {
  return await readFile((await runRecipe(target, await mkdtemp(join(folder, 'run-')))).out);
}

const asking = (...names: string[]) => makeModule(names.map((name) => ['firmware', name] as const));
test('an image carries the firmware that its modules ask for and its globs allow, with links and their targets', async () => {
  const modules = await document({
    entries: [
      file(
        'usr/lib/modules/1/kernel/nic.ko',
        asking('nic/a.fw', 'nic/link.fw', 'nic/optional.fw', 'gpu/x.bin'),
      ),
      file('usr/lib/modules/1/kernel/plain.ko', asking()),
      file('usr/lib/modules/1/modules.dep', 'no module'),
    ],
  });
  const fw = (name: string) => file(`usr/lib/firmware/${name}`, name);
  const packages = [
    await document({
      name: 'fw',
      entries: [
        ...['usr', 'usr/lib', 'usr/lib/firmware', 'usr/lib/firmware/nic', 'usr/lib/firmware/gpu'].map(
          (path) => dir(path),
        ),
        ...['nic/a.fw', 'nic/real.fw', 'nic/unasked.fw', 'gpu/x.bin'].map(fw),
        symlink('usr/lib/firmware/nic/link.fw', 'real.fw'),
        file('usr/share/doc/fw/changelog', 'c'),
        file('usr/share/doc/fw/copyright', 'c'),
      ],
    }),
  ];
  const tree = JSON.parse(
    (await output(firmwareFiles('firmware', { modules, packages, only: ['nic/**'] }))).toString(),
  ) as Tree;
  assert.deepEqual(
    tree.entries.map(({ path }) => path),
    [
      ...['a.fw', 'link.fw', 'real.fw'].map((name) => `usr/lib/firmware/nic/${name}`),
      'usr/share/doc/fw/copyright',
    ],
  );
});

test('microcode is an uncompressed cpio archive with one file for each vendor; globs without a match are refused', async () => {
  const entries = ['06-be-00', '06-97-02', '06-be-01'].map((name) =>
    file(`usr/lib/firmware/intel-ucode/${name}`, `<${name}>`),
  );
  const packages = [await document({ name: 'intel-microcode', entries })];
  const make = (glob: string) =>
    output(
      microcodeInitrd('microcode', {
        packages,
        microcode: [{ vendor: 'GenuineIntel', files: [glob] }],
        epoch: 7,
      }),
    );
  const cpio = (await make('intel-ucode/06-be-*')).toString('latin1');
  assert.ok(cpio.startsWith('070701'));
  assert.ok(cpio.includes('kernel/x86/microcode/GenuineIntel.bin'));
  assert.ok(cpio.includes('<06-be-00><06-be-01>') && !cpio.includes('06-97'));
  await assert.rejects(make('intel-ucode/07-*'), {
    message: 'intel-microcode has no microcode intel-ucode/07-*',
    exitCode: 2,
  });
});
