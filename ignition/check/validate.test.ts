import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fullConfig } from '../testing/full-config.ts';
import { validate } from './validate.ts';

const v3 = (sections: object, version = '3.3.0'): Buffer =>
  Buffer.from(JSON.stringify({ ignition: { version }, ...sections }));

/** `error $.path message` of each entry, without the hint. */
async function findings(bytes: Buffer): Promise<string[]> {
  return (await validate(bytes)).entries.map(
    ({ kind, path, message }) => `${kind} ${path} ${message.split('; ')[0]}`,
  );
}

describe('a valid config', () => {
  for (const minor of [0, 1, 2, 3]) {
    test(`with every section of spec 3.${minor} has no finding`, async () => {
      assert.deepEqual(await validate(Buffer.from(JSON.stringify(fullConfig(minor)))), {
        valid: true,
        entries: [],
      });
    });
  }

  test('warns of keys that Ignition ignores, at the key', async () => {
    const text = '{"ignition":{"version":"3.3.0"},\n  "storage": {"fles": []}}';
    const [entry, ...others] = (await validate(Buffer.from(text))).entries;
    assert.deepEqual(others, []);
    assert.equal(entry?.message.split(';')[0], 'Unused key fles');
    assert.deepEqual(
      [entry?.kind, entry?.path, entry?.line, entry?.column],
      ['warning', '$.storage.fles', 2, 15],
    );
  });

  test('matches names without regard to case, as Go does, and warns', async () => {
    const verdict = await validate(Buffer.from('{"IGNITION":{"Version":"3.3.0"}}'));
    assert.equal(verdict.valid, true);
    assert.match(verdict.entries[0]?.message ?? '', /^Unused key IGNITION; letter case differs$/);
  });
});

describe('rules', () => {
  const cases: [string, object, string[]][] = [
    [
      'relative path',
      { storage: { files: [{ path: 'a' }] } },
      ['error $.storage.files.0.path path not absolute'],
    ],
    [
      'file and link of one path',
      { storage: { files: [{ path: '/a' }], links: [{ path: '/a', target: '/b' }] } },
      ['error $.storage.links.0 duplicate entry defined'],
    ],
    [
      'file below a link',
      { storage: { files: [{ path: '/l/a' }], links: [{ path: '/l', target: '/b' }] } },
      ['error $.storage.files.0 file path includes link in config'],
    ],
    [
      'overlapping partitions',
      {
        storage: {
          disks: [
            {
              device: '/dev/sda',
              partitions: [
                { number: 1, startMiB: 1, sizeMiB: 10 },
                { number: 2, startMiB: 10, sizeMiB: 5 },
              ],
            },
          ],
        },
      },
      ['error $.storage.disks.0.partitions.1 partitions overlap'],
    ],
    [
      'enabled unit without [Install]',
      {
        systemd: {
          units: [{ name: 'a.service', enabled: true, contents: '[Service]\nExecStart=/bin/true' }],
        },
      },
      [
        'warning $.systemd.units.0.contents unit "a.service" is enabled, but has no install section so enable does nothing',
      ],
    ],
    [
      'setuid bit',
      { storage: { files: [{ path: '/a', mode: 0o4755 }] } },
      [
        'warning $.storage.files.0.mode setuid/setgid/sticky bits are not supported in spec versions older than 3.4.0',
      ],
    ],
    [
      'plain proxy for HTTPS',
      { ignition: { version: '3.3.0', proxy: { httpsProxy: 'http://p' } } },
      ['warning $.ignition.proxy.httpsProxy insecure plaintext HTTP proxy specified for HTTPS resources'],
    ],
    [
      'kernel argument wanted and unwanted',
      { kernelArguments: { shouldExist: ['a'], shouldNotExist: ['a'] } },
      ['error $.kernelArguments.shouldNotExist.0 duplicate entry defined'],
    ],
    [
      'raid0 with spares',
      { storage: { raid: [{ name: 'a', level: 'raid0', devices: ['/dev/b'], spares: 1 }] } },
      ['error $.storage.raid.0.level spares unsupported for linear and raid0 arrays'],
    ],
    [
      'hash of the wrong length',
      {
        storage: {
          files: [{ path: '/a', contents: { source: 'data:,', verification: { hash: 'sha512-00' } } }],
        },
      },
      ['error $.storage.files.0.contents.verification.hash incorrect size for hash sum'],
    ],
    [
      'swap label too long',
      { storage: { filesystems: [{ device: '/dev/a', format: 'swap', label: 'x'.repeat(16) }] } },
      [
        'error $.storage.filesystems.0.label filesystem labels cannot be longer than 15 characters when using swap',
      ],
    ],
  ];
  for (const [name, sections, expected] of cases) {
    test(name, async () => assert.deepEqual(await findings(v3(sections)), expected));
  }

  test('differ between versions', async () => {
    const gs = { storage: { files: [{ path: '/a', contents: { source: 'gs://b/k' } }] } };
    assert.equal((await validate(v3(gs, '3.1.0'))).valid, false);
    assert.equal((await validate(v3(gs, '3.2.0'))).valid, true);
    const sha256 = {
      storage: {
        files: [
          { path: '/a', contents: { source: 'data:,', verification: { hash: `sha256-${'0'.repeat(64)}` } } },
        ],
      },
    };
    assert.equal((await validate(v3(sha256, '3.0.0'))).valid, false);
    assert.equal((await validate(v3(sha256, '3.1.0'))).valid, true);
  });

  test('the error for a value of the wrong type has its place, and the expected and the found type', async () => {
    const [entry] = (
      await validate(
        Buffer.from('{"ignition":{"version":"3.3.0"},"storage":{"files":[\n{"path":"/a","mode":"0644"}]}}'),
      )
    ).entries;
    assert.deepEqual(entry, {
      kind: 'error',
      path: '$.storage.files.0.mode',
      line: 2,
      column: 21,
      message: 'expected an integer, found a string; write 420',
    });
  });
});

describe('hostile input', () => {
  const one = async (bytes: Buffer, pattern: RegExp): Promise<void> => {
    const { valid, entries } = await validate(bytes);
    assert.equal(valid, false);
    assert.equal(entries.length, 1);
    assert.match(entries[0]?.message ?? '', pattern);
  };
  test('not JSON', async () =>
    one(
      Buffer.from('variant: fcos'),
      /^invalid character 'v' looking for beginning of value; this is Butane/,
    ));
  test('empty', async () => one(Buffer.alloc(0), /^not a config \(empty\)/));
  test('cut off', async () => one(Buffer.from('{"ignition":{'), /^unexpected end of JSON input/));
  test('byte order mark', async () => one(Buffer.from('\ufeff{}'), /byte order mark/));
  test('UTF-16', async () => one(Buffer.from('{}', 'utf16le'), /UTF-16/));
  test('spec 3.9', async () => one(v3({}, '3.9.0'), /^unsupported config version/));
  test('spec 2', async () => one(v3({}, '2.3.0'), /^unsupported config version; translate it first/));
  test('spec 1', async () => one(Buffer.from('{"ignitionVersion":1}'), /^invalid config version/));
  test('10 001 levels', async () => one(Buffer.from('['.repeat(10_001)), /exceeded max depth/));
  test('100 MB', async () => one(Buffer.alloc(100_000_000, 0x20), /^config of 100000000 bytes/));

  test('duplicate keys are valid, as in Ignition, with a warning', async () => {
    const { valid, entries } = await validate(
      Buffer.from('{"ignition":{"version":"3.3.0","version":"3.2.0"}}'),
    );
    assert.equal(valid, true);
    assert.match(entries[0]?.message ?? '', /^key stands twice/);
  });

  test('a later duplicate is laid over an earlier one', async () => {
    const text =
      '{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"b"},{"path":"/c"}]},"storage":{"files":[{"overwrite":true}]}}';
    assert.deepEqual(
      (await findings(Buffer.from(text))).filter((line) => line.startsWith('error')),
      [
        'error $.storage.files.0.path path not absolute',
        'error $.storage.files.0.overwrite overwrite must be false if source is unspecified',
      ],
    );
  });
});

test('10 000 files take about a second', async () => {
  const files = Array.from({ length: 10_000 }, (_, i) => ({
    path: `/etc/f${i}`,
    mode: 420,
    contents: { source: 'data:,x' },
  }));
  const started = performance.now();
  assert.deepEqual(await validate(v3({ storage: { files } })), { valid: true, entries: [] });
  const took = performance.now() - started;
  // 0.7 s on two quiet cores; tests run beside others.
  assert.ok(took < 10_000, `${took} ms`);
});
