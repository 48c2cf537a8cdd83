import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type TranslateOptions, translateConfig } from '../translate.ts';

const v2 = (sections: object, version = '2.4.0'): Buffer =>
  Buffer.from(JSON.stringify({ ignition: { version }, ...sections }));

async function translated(
  sections: object,
  version?: string,
  options?: TranslateOptions,
): Promise<Record<string, unknown>> {
  const { config, entries } = await translateConfig(v2(sections, version), options);
  assert.ok(config, JSON.stringify(entries));
  const { ignition, ...rest } = config;
  assert.equal((ignition as { version: string }).version, '3.3.0');
  return rest;
}

/** First error: path and message. */
async function refused(sections: object, version?: string): Promise<string> {
  const { config, entries } = await translateConfig(v2(sections, version));
  assert.equal(config, undefined);
  const [entry] = entries.filter(({ kind }) => kind === 'error');
  return `${entry?.path} ${entry?.message}`;
}

const root = (path: string, more: object = {}): object => ({ filesystem: 'root', path, mode: 420, ...more });

describe('files', () => {
  test('overwrite by default, empty without a source', async () => {
    assert.deepEqual(await translated({ storage: { files: [root('/a', { mode: 420 })] } }), {
      storage: { files: [{ path: '/a', overwrite: true, mode: 420, contents: { source: 'data:,' } }] },
    });
  });

  test('append becomes a list, also after the file itself', async () => {
    const files = [
      root('/a', { contents: { source: 'data:,1' } }),
      root('/a', { append: true, contents: { source: 'data:,2' } }),
    ];
    assert.deepEqual(await translated({ storage: { files } }), {
      storage: {
        files: [
          {
            path: '/a',
            overwrite: true,
            mode: 420,
            contents: { source: 'data:,1' },
            append: [{ source: 'data:,2' }],
          },
        ],
      },
    });
  });

  test('of two files with the same path, the later one wins', async () => {
    const files = [
      root('/a', { contents: { source: 'data:,1' } }),
      root('/a', { contents: { source: 'data:,2' } }),
    ];
    const { storage } = (await translated({ storage: { files } })) as {
      storage: { files: { contents: object }[] };
    };
    assert.deepEqual(
      storage.files.map(({ contents }) => contents),
      [{ source: 'data:,2' }],
    );
  });

  test('a file and a directory with the same path are refused', async () => {
    const storage = { files: [root('/a')], directories: [root('/a')] };
    assert.match(await refused({ storage }), /^\$\.storage\.directories\.0 \/a is already one of the files/);
  });

  test('oem:// has no equivalent', async () => {
    assert.match(
      await refused({ storage: { files: [root('/a', { contents: { source: 'oem:///x' } })] } }),
      /invalid url scheme/,
    );
  });
});

describe('filesystems', () => {
  const data = {
    name: 'data',
    mount: { device: '/dev/sdb', format: 'ext4', create: { force: true, options: ['-q'] } },
  };
  const unit = {
    name: 'var-data.mount',
    enabled: true,
    contents: '[Mount]\nWhat=/dev/sdb\nWhere=/var/data\n[Install]\nWantedBy=x\n',
  };
  const file = { filesystem: 'data', path: '/a' };

  test('get their path from a mount unit, and files go below it', async () => {
    const out = (await translated({
      storage: { filesystems: [data], files: [file] },
      systemd: { units: [unit] },
    })) as {
      storage: { filesystems: object[]; files: { path: string }[] };
    };
    assert.deepEqual(out.storage.filesystems, [
      { device: '/dev/sdb', format: 'ext4', path: '/var/data', wipeFilesystem: true, options: ['-q'] },
    ]);
    assert.equal(out.storage.files[0]?.path, '/var/data/a');
  });

  test('or from the caller', async () => {
    const filesystems = new Map([['data', '/srv']]);
    const out = (await translated({ storage: { filesystems: [data], files: [file] } }, '2.3.0', {
      filesystems,
    })) as {
      storage: { files: { path: string }[] };
    };
    assert.equal(out.storage.files[0]?.path, '/srv/a');
  });

  test('a file on a file system with an unknown path is refused, with a hint', async () => {
    assert.match(
      await refused({ storage: { filesystems: [data], files: [file] } }),
      /--filesystem data=\/PATH/,
    );
  });

  test('create without force is refused', async () => {
    const gentle = { ...data, mount: { ...data.mount, create: {} } };
    assert.match(
      await refused({ storage: { filesystems: [gentle] } }),
      /^\$\.storage\.filesystems\.0\.mount\.create .*without force/,
    );
  });

  test('sectors become MiB, or are refused', async () => {
    const disks = (size: number): object => ({
      storage: { disks: [{ device: '/dev/sda', partitions: [{ number: 1, size, start: 2048 }] }] },
    });
    assert.deepEqual(await translated(disks(4096), '2.0.0'), {
      storage: { disks: [{ device: '/dev/sda', partitions: [{ number: 1, sizeMiB: 2, startMiB: 1 }] }] },
    });
    assert.match(await refused(disks(4097), '2.0.0'), /not a whole number of MiB/);
  });
});

describe('units and users', () => {
  test('enable and enabled, drop-ins of one unit joined', async () => {
    const units = [
      { name: 'a.service', enable: true, dropins: [{ name: '1.conf', contents: '[A]\nb=c' }] },
      { name: 'a.service', enabled: false, dropins: [{ name: '2.conf' }] },
    ];
    assert.deepEqual(await translated({ systemd: { units } }), {
      systemd: {
        units: [
          {
            name: 'a.service',
            enabled: false,
            dropins: [{ name: '1.conf', contents: '[A]\nb=c' }, { name: '2.conf' }],
          },
        ],
      },
    });
  });

  test('networkd units become files with their drop-ins', async () => {
    const units = [
      { name: '10-a.network', contents: '[Match]', dropins: [{ name: 'x.conf', contents: '[Network]' }] },
    ];
    const { storage } = (await translated({ networkd: { units } })) as {
      storage: { files: { path: string; mode: number }[] };
    };
    assert.deepEqual(
      storage.files.map(({ path, mode }) => [path, mode]),
      [
        ['/etc/systemd/network/10-a.network', 0o644],
        ['/etc/systemd/network/10-a.network.d/x.conf', 0o644],
      ],
    );
  });

  test('create of spec 2.0 and users of one name', async () => {
    const users = [
      { name: 'core', create: { uid: 7, groups: ['a'], homeDir: '' }, sshAuthorizedKeys: ['k1'] },
      { name: 'core', groups: ['b'], sshAuthorizedKeys: ['k1', 'k2'] },
    ];
    assert.deepEqual(await translated({ passwd: { users } }), {
      passwd: { users: [{ name: 'core', uid: 7, groups: ['a', 'b'], sshAuthorizedKeys: ['k1', 'k2'] }] },
    });
  });
});

describe('refusals', () => {
  test('spec 1', async () => {
    const { entries } = await translateConfig(Buffer.from('{"ignitionVersion": 1}'));
    assert.match(entries[0]?.message ?? '', /spec 1/);
  });
  test('spec 3.0 to 3.3', async () => assert.match(await refused({}, '3.0.0'), /nothing to translate/));
  test('spec 2.5', async () =>
    assert.match(await refused({}, '2.5.0'), /not one of 2\.0\.0.*write "2\.4\.0"/));
  test('no JSON', async () => assert.equal((await translateConfig(Buffer.from('x'))).config, undefined));
  test('keys that are newer than the version have a warning', async () => {
    const { config, entries } = await translateConfig(
      v2({ storage: { files: [root('/a', { append: true })] } }, '2.1.0'),
    );
    assert.ok(config);
    assert.match(entries[0]?.message ?? '', /^Unused key append/);
  });
  test('a config that it refers to must be translated too', async () => {
    const bytes = Buffer.from(
      JSON.stringify({ ignition: { version: '2.2.0', config: { append: [{ source: 'http://a/b' }] } } }),
    );
    const { config, entries } = await translateConfig(bytes);
    assert.deepEqual(config, {
      ignition: { version: '3.3.0', config: { merge: [{ source: 'http://a/b' }] } },
    });
    assert.equal(entries[0]?.kind, 'warning');
  });
});
