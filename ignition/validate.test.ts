import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fullConfig } from './oracle/base.ts';
import { render } from './oracle/edits.ts';
import { odd } from './oracle/odd.ts';
import { MAX_BYTES, validate } from './validate.ts';

const v3 = (sections: object, version = '3.3.0'): Buffer =>
  Buffer.from(JSON.stringify({ ignition: { version }, ...sections }));

/** `error $.path message` of each entry, the hint cut off. */
function findings(bytes: Buffer): string[] {
  return validate(bytes).entries.map(
    ({ kind, path, message }) => `${kind} ${path} ${message.split('; ')[0]}`,
  );
}

describe('a valid config', () => {
  for (const minor of [0, 1, 2, 3]) {
    test(`with every section of spec 3.${minor} has no finding`, () => {
      assert.deepEqual(validate(Buffer.from(render(fullConfig(minor)))), { valid: true, entries: [] });
    });
  }

  test('warns of keys that Ignition ignores, at the key', () => {
    const text = '{"ignition":{"version":"3.3.0"},\n  "storage": {"fles": []}}';
    const [entry, ...others] = validate(Buffer.from(text)).entries;
    assert.deepEqual(others, []);
    assert.equal(entry?.message.split(';')[0], 'Unused key fles');
    assert.deepEqual(
      [entry?.kind, entry?.path, entry?.line, entry?.column],
      ['warning', '$.storage.fles', 2, 15],
    );
  });

  test('matches names without regard to case, as Go does, and warns', () => {
    const verdict = validate(Buffer.from('{"IGNITION":{"Version":"3.3.0"}}'));
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
    test(name, () => assert.deepEqual(findings(v3(sections)), expected));
  }

  test('differ between versions', () => {
    const gs = { storage: { files: [{ path: '/a', contents: { source: 'gs://b/k' } }] } };
    assert.equal(validate(v3(gs, '3.1.0')).valid, false);
    assert.equal(validate(v3(gs, '3.2.0')).valid, true);
    const sha256 = {
      storage: {
        files: [
          { path: '/a', contents: { source: 'data:,', verification: { hash: `sha256-${'0'.repeat(64)}` } } },
        ],
      },
    };
    assert.equal(validate(v3(sha256, '3.0.0')).valid, false);
    assert.equal(validate(v3(sha256, '3.1.0')).valid, true);
  });

  test('a value of the wrong type is named with its place, what is wanted and what is there', () => {
    const [entry] = validate(
      Buffer.from('{"ignition":{"version":"3.3.0"},"storage":{"files":[\n{"path":"/a","mode":"0644"}]}}'),
    ).entries;
    assert.deepEqual(entry, {
      kind: 'error',
      path: '$.storage.files.0.mode',
      line: 2,
      column: 21,
      message: 'expected an integer, found a string',
    });
  });
});

describe('hostile input', () => {
  const one = (bytes: Buffer, pattern: RegExp): void => {
    const { valid, entries } = validate(bytes);
    assert.equal(valid, false);
    assert.equal(entries.length, 1);
    assert.match(entries[0]?.message ?? '', pattern);
  };
  test('not JSON', () =>
    one(Buffer.from('variant: fcos'), /^invalid character 'v' looking for beginning of value; is this YAML/));
  test('empty', () => one(Buffer.alloc(0), /^not a config \(empty\)/));
  test('cut off', () => one(Buffer.from('{"ignition":{'), /^unexpected end of JSON input/));
  test('byte order mark', () => one(Buffer.from('\ufeff{}'), /byte order mark/));
  test('UTF-16', () => one(Buffer.from('{}', 'utf16le'), /UTF-16/));
  test('spec 3.9', () => one(v3({}, '3.9.0'), /^unsupported config version/));
  test('spec 2', () => one(v3({}, '2.3.0'), /^unsupported config version; translate it first/));
  test('spec 1', () => one(Buffer.from('{"ignitionVersion":1}'), /^invalid config version/));
  test('10 001 levels', () => one(Buffer.from('['.repeat(10_001)), /exceeded max depth/));
  test('100 MB', () => one(Buffer.alloc(100_000_000, 0x20), /^config of 100000000 bytes/));
  test('millions of values', () => one(Buffer.from(`[${'0,'.repeat(7_000_000)}0]`), /^config of \d+ values/));

  test('duplicate keys are valid, as in Ignition, and warned of', () => {
    const { valid, entries } = validate(Buffer.from('{"ignition":{"version":"3.3.0","version":"3.2.0"}}'));
    assert.equal(valid, true);
    assert.match(entries[0]?.message ?? '', /^key stands twice/);
  });

  test('a later duplicate is laid over an earlier one', () => {
    const text =
      '{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"b"},{"path":"/c"}]},"storage":{"files":[{"overwrite":true}]}}';
    assert.deepEqual(
      findings(Buffer.from(text)).filter((line) => line.startsWith('error')),
      [
        'error $.storage.files.0.path path not absolute',
        'error $.storage.files.0.overwrite overwrite must be false if source is unspecified',
      ],
    );
  });

  test('many faults are counted, not all listed', () => {
    const verdict = validate(v3({ storage: { files: Array.from({ length: 50_000 }, () => ({})) } }));
    assert.equal(verdict.valid, false);
    assert.ok(verdict.entries.length < 30_000);
    assert.match(verdict.entries.at(-1)?.message ?? '', /more findings left off$/);
  });

  test('quadratic shapes stay fast', () => {
    const links = Array.from({ length: 3000 }, (_, i) => ({ path: `/l${i}`, target: '/x' }));
    const files = Array.from({ length: 20_000 }, (_, i) => ({ path: `/l${i}/${'a/'.repeat(20)}b` }));
    const long = { name: 'a.service', contents: `${' '.repeat(2_000_000)}\n[A]\nb=c` };
    const header = { path: '/h', contents: { source: `data:text/plain;a="${'\\\\'.repeat(500_000)}",x` } };
    const started = performance.now();
    validate(v3({ storage: { links, files: [...files, header] }, systemd: { units: [long] } }));
    assert.ok(performance.now() - started < 5000);
  });

  test('no document makes it throw', () => {
    for (const bytes of odd) assert.equal(typeof validate(bytes).valid, 'boolean');
  });
});

test('time grows with the size, no faster', () => {
  const files = (count: number): Buffer =>
    v3({
      storage: {
        files: Array.from({ length: count }, (_, i) => ({
          path: `/etc/f${i}`,
          mode: 420,
          contents: { source: 'data:,x' },
        })),
      },
    });
  const measure = (count: number): number => {
    const bytes = files(count);
    const started = performance.now();
    assert.equal(validate(bytes).valid, true);
    return performance.now() - started;
  };
  measure(1000);
  const [ten, hundred] = [Math.min(measure(10_000), measure(10_000)), measure(100_000)];
  assert.ok(hundred < 40 * Math.max(ten, 10), `10k ${ten} ms, 100k ${hundred} ms`);
  assert.ok(ten < 1000, `10k files took ${ten} ms`);
  assert.ok(MAX_BYTES > files(100_000).length);
});
