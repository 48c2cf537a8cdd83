import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { copySparse } from '../../sdk/lib/sparse.ts';
import { fakeTree } from '../../sdk/testing.ts';
import { given, runRecipe } from '../graph/testing-recipe.ts';
import { disk } from './disk.ts';
import { esp } from './esp.ts';
import { slotLabels, uuidFrom, uuidFromHash } from './partitions.ts';

const MiB = 1 << 20;
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-media-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const own = () => mkdtemp(join(folder, 'own-'));

async function put(where: string, name: string, data: string | Buffer): Promise<string> {
  await writeFile(join(where, name), data);
  return join(where, name);
}

describe('disk', () => {
  const hash = 'ab'.repeat(16) + 'cd'.repeat(16);
  /** Makes a disk of parts with the given sizes; the files hold a few bytes. `repart` is the script of the fake tool. */
  async function make(sizes: { usr?: number; hashTree?: number }, repart = 'exit 9') {
    const where = await own();
    const target = disk('disk', {
      sdk: await given(await fakeTree(join(where, 'sdk'), { 'systemd-repart': repart })),
      esp: await given(await put(where, 'esp', 'the esp')),
      usr: await given(await put(where, 'usr', 'the usr'), sizes.usr),
      hashTree: await given(await put(where, 'verity', 'the verity'), sizes.hashTree),
      rootHash: await given(await put(where, 'hash', `${hash}\n`)),
      plan: { esp: 4 * MiB, usr: 2 * MiB, verity: MiB },
      version: '1.2.3',
      seed: '0'.repeat(32),
    });
    return { target, where };
  }
  async function fails(sizes: { usr?: number; hashTree?: number }, at: string): Promise<void> {
    const { target, where } = await make(sizes);
    await assert.rejects(runRecipe(target, where), (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.exitCode, 2);
      assert.match(error.message, /do not fit into a slot of \d+ bytes/);
      assert.equal(error.where, at);
      assert.match(error.hint ?? '', /enlarge the slot/);
      return true;
    });
    assert.ok(!existsSync(join(where, 'out')), 'nothing half-written');
  }

  test('a slot too small for /usr or its hash tree is refused before anything is written', async () => {
    await fails({ usr: 2 * MiB + 1 }, 'partitions.usr of the image');
    await fails({ hashTree: MiB + 1 }, 'partitions.verity of the image');
  });

  test('contents go to the offsets of systemd-repart; the root hash gives the partitions names and UUIDs', async () => {
    // Keeps the definitions beside the output, its last argument.
    const repart = `for arg; do case $arg in --definitions=*) definitions=\${arg#--definitions=} ;; esac; out=$arg; done
cat "$definitions"/*.conf >"$out.definitions"
truncate -s 8M "$out"
echo '[{"offset":1048576,"raw_size":4194304},{"offset":5242880,"raw_size":2097152},{"offset":7340032,"raw_size":1048576}]'`;
    const { target, where } = await make({ usr: 2 * MiB }, repart);
    const { out } = await runRecipe(target, where);
    const image = await readFile(out);
    for (const [at, text] of [
      [MiB, 'the esp'],
      [5 * MiB, 'the usr'],
      [7 * MiB, 'the verity'],
    ] as const)
      assert.equal(image.toString('latin1', at, at + text.length), text);
    const definitions = await readFile(`${out}.definitions`, 'utf8');
    for (const line of [
      'Label=draisine_usr_1.2.3',
      'Label=draisine_usr_verity_1.2.3',
      'UUID=abababab-abab-abab-abab-abababababab',
      'UUID=cdcdcdcd-cdcd-cdcd-cdcd-cdcdcdcdcdcd',
      `SizeMaxBytes=${2 * MiB}`,
    ])
      assert.ok(definitions.split('\n').includes(line), line);
  });

  test('a table that is not ours is refused', async () => {
    const { target, where } = await make({}, 'for out; do :; done; : >"$out"; echo "[]"');
    await assert.rejects(runRecipe(target, where), /reported 0 partitions for 3/);
  });
});

describe('esp', () => {
  async function make(ukiSize: number, size: number) {
    const where = await own();
    const target = esp('esp', {
      sdk: await given(await fakeTree(join(where, 'sdk'), {})),
      uki: await given(await put(where, 'uki', 'uki'), ukiSize),
      ukiName: 'draisine_1.efi',
      kargs: await given(await put(where, 'kargs', 'kargs')),
      size,
      menuSeconds: 0,
      volumeId: '01234567',
      epoch: 0,
    });
    return { target, where };
  }

  test('an ESP too small for three UKIs is refused with the sizes, before anything is written', async () => {
    const { target, where } = await make(40 * MiB, 127 * MiB);
    await assert.rejects(runRecipe(target, where), (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.exitCode, 2);
      assert.match(error.message, /too small for 3 UKIs: it has 127\.0 MiB, 3 × 40\.0 MiB and 8\.0 MiB/);
      assert.equal(error.where, 'partitions.esp of the image');
      return true;
    });
    assert.ok(!existsSync(join(where, 'out')));
  });

  test('an ESP that just fits is accepted', async () => {
    const { target, where } = await make(40 * MiB, 128 * MiB);
    await assert.rejects(runRecipe(target, where), /the tool tree has no mkfs\.fat/);
  });
});

test('the labels of slots hold the longest version, and a label that is too long for a GPT is refused', () => {
  assert.deepEqual(slotLabels('2026.1129.123456'), {
    usr: 'draisine_usr_2026.1129.123456',
    verity: 'draisine_usr_verity_2026.1129.123456',
  });
  assert.throws(() => slotLabels('2026.1129.1234567'), {
    message: /draisine_usr_verity_2026\.1129\.1234567 is too long: it has more than 36 characters/,
    exitCode: 2,
  });
});

describe('UUIDs', () => {
  const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  test('made of a seed has the form of version 4 and depends on the seed only', () => {
    for (const seed of ['', 'a', 'draisine n100 1 usr', 'ü'.repeat(1000)]) {
      assert.match(uuidFrom(seed), shape);
      assert.equal(uuidFrom(seed), uuidFrom(seed));
    }
    assert.notEqual(uuidFrom('a'), uuidFrom('b'));
    // sha256('a') = ca978112ca1bbdcafac231b39a23dc4d…
    assert.equal(uuidFrom('a'), 'ca978112-ca1b-4dca-bac2-31b39a23dc4d');
  });

  test('made of a root hash is one of its halves, as veritysetup-generator expects', () => {
    const hash = '00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef';
    assert.equal(uuidFromHash(hash, 'first'), '00112233-4455-6677-8899-aabbccddeeff');
    assert.equal(uuidFromHash(hash, 'last'), '01234567-89ab-cdef-0123-456789abcdef');
  });
});

describe('copySparse', () => {
  async function copied(data: Buffer, offset: number): Promise<{ bytes: Buffer; blocks: number }> {
    const where = await own();
    const from = await put(where, 'from', data);
    const to = join(where, 'to');
    const handle = await open(to, 'w+');
    try {
      await handle.truncate(offset + data.length + 7);
      await copySparse(from, handle, { offset });
    } finally {
      await handle.close();
    }
    return { bytes: await readFile(to), blocks: (await stat(to)).blocks * 512 };
  }

  test('is a copy at the offset, also if it crosses blocks', async () => {
    for (const size of [0, 1, MiB - 1, MiB, MiB + 1, 2 * MiB + 5]) {
      const data = Buffer.alloc(size);
      if (size > 0) data[size - 1] = 1;
      const { bytes } = await copied(data, 4096);
      assert.equal(bytes.length, 4096 + size + 7);
      assert.ok(bytes.subarray(4096, 4096 + size).equals(data), `${size} bytes`);
      assert.ok(bytes.subarray(0, 4096).every((byte) => byte === 0));
    }
  });

  test('leaves holes where the source has zeros', async () => {
    const data = Buffer.alloc(16 * MiB);
    data[5 * MiB] = 1;
    const { bytes, blocks } = await copied(data, MiB);
    assert.equal(bytes[6 * MiB], 1);
    assert.ok(blocks <= 2 * MiB, `${blocks} bytes on disk`);
  });
});
