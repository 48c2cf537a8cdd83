import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PIECE_TEXTS } from './oracle/values.ts';
import { translateV2 } from './v2/translate.ts';
import { validate } from './validate.ts';

/** Mutations of each property; the nightly run asks for more. */
const RUNS = Number(process.env.DRAISINE_FUZZ_RUNS ?? 100_000);
/** Mutations tried by one run of fast-check: its own bookkeeping costs more than a small config. */
const BATCH = 50;

const SEED = Buffer.from(
  JSON.stringify({
    ignition: { version: '3.3.0', config: { merge: [{ source: 'https://a/b' }] } },
    storage: {
      disks: [{ device: '/dev/a', partitions: [{ number: 1, startMiB: 1, sizeMiB: 2 }, { label: 'x' }] }],
      files: [{ path: '/f', mode: 420, contents: { source: 'data:;base64,aGk=', compression: 'gzip' } }],
      links: [{ path: '/l', target: '/f', hard: true }],
      luks: [{ name: 'l', device: '/dev/b', clevis: { tang: [{ url: 'http://t', thumbprint: 'x' }] } }],
    },
    systemd: { units: [{ name: 'a.service', enabled: true, contents: '[Unit]\nA=b\\\nc\n[Install]\nB=c' }] },
  }),
);
const PIECES = PIECE_TEXTS.map((piece) => Buffer.from(piece, 'latin1'));

function mutate(seed: Buffer, numbers: readonly number[]): Buffer {
  let bytes = seed;
  for (let i = 0; i + 2 < numbers.length; i += 3) {
    const [where = 0, what = 0, length = 0] = numbers.slice(i, i + 3);
    const at = where % (bytes.length + 1);
    const from = what % bytes.length;
    const piece =
      what % 3 === 0 ? bytes.subarray(from, from + (length % 40)) : (PIECES[what % PIECES.length] ?? bytes);
    bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + (length % 5))]);
  }
  return bytes;
}

const mutations = fc.array(fc.array(fc.nat({ max: 1_000_000 }), { minLength: 3, maxLength: 9 }), {
  minLength: BATCH,
  maxLength: BATCH,
  size: 'max',
});

function holds(name: string, seed: Buffer, check: (bytes: Buffer) => void): void {
  test(`${name}: ${RUNS} mutations`, { timeout: 600_000 }, () => {
    const property = fc.property(mutations, (batch) => {
      for (const numbers of batch) check(mutate(seed, numbers));
    });
    fc.assert(property, { seed: 4, numRuns: Math.ceil(RUNS / BATCH) });
  });
}

holds('validate neither throws nor contradicts itself', SEED, (bytes) => {
  const { valid, entries } = validate(bytes);
  assert.equal(
    valid,
    entries.every(({ kind }) => kind === 'warning'),
  );
  for (const { line, column, path } of entries) assert.ok(line >= 1 && column >= 1 && path.startsWith('$'));
});

holds(
  'translate makes what validate accepts, or says why not',
  Buffer.from(
    SEED.toString('latin1')
      .replace('3.3.0', '2.4.0')
      .replaceAll('"path":"/', '"filesystem":"root","path":"/'),
    'latin1',
  ),
  (bytes) => {
    const { config, entries } = translateV2(bytes);
    assert.equal(
      config === undefined,
      entries.some(({ kind }) => kind === 'error'),
    );
  },
);
