import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { validate } from './validate.ts';

/** For each hint: a config that gets it, and the config after the hint was followed. */

const config = (sections: object): Buffer =>
  Buffer.from(JSON.stringify({ ignition: { version: '3.3.0' }, ...sections }));
const file = (more: object): object => ({ storage: { files: [{ path: '/a', ...more }] } });
const source = (url: string, more: object = {}): object => file({ contents: { source: url, ...more } });
const disk = (...partitions: object[]): object => ({
  storage: { disks: [{ device: '/dev/a', partitions }] },
});
const filesystem = (more: object): object => ({ storage: { filesystems: [{ device: '/dev/a', ...more }] } });
const raid = (more: object): object => ({ storage: { raid: [{ name: 'a', ...more }] } });
const luks = (more: object): object => ({ storage: { luks: [{ name: 'a', device: '/dev/a', ...more }] } });
const unit = (more: object): object => ({ systemd: { units: [{ name: 'a.service', ...more }] } });
const link = (more: object): object => ({ storage: { links: [{ path: '/l', target: '/t', ...more }] } });

const CASES: readonly (readonly [hint: RegExp, broken: object, mended: object])[] = [
  [/did you mean files\?$/, { storage: { fils: [] } }, { storage: { files: [] } }],
  [/remove it, or correct the name$/, { x: 1 }, {}],
  [
    /JSON writes it passwordHash$/,
    { passwd: { users: [{ name: 'a', password_hash: '*' }] } },
    { passwd: { users: [{ name: 'a', passwordHash: '*' }] } },
  ],
  [
    /a key of Butane: write "source": "data:,CONTENT"$/,
    file({ contents: { inline: 'x' } }),
    file({ contents: { source: 'data:,CONTENT' } }),
  ],
  [/a key of spec 2: write enabled$/, unit({ enable: false }), unit({ enabled: false })],
  [/a key of spec 2: remove it/, file({ filesystem: 'root' }), file({})],
  [/below \/etc\/systemd\/network$/, { networkd: {} }, file({ path: '/etc/systemd/network/a.network' })],
  [/write data:,a%20b$/, source('a b'), source('data:,a%20b')],
  [/a percent sign as %25$/, source('data:,100%'), source('data:,100%25')],
  [/write 420 for 0644, 493 for 0755$/, file({ mode: -1 }), file({ mode: 420 })],
  [/mode 1777 is 03361: write 511 for 0777/, file({ mode: 1777 }), file({ mode: 511 })],
  [/letter case differs$/, { storage: { Files: [] } }, { storage: { files: [] } }],
  [/instead of writing null$/, { storage: null }, {}],
  [/e\.g\. \/etc\/x$/, file({ path: 'etc/x' }), file({ path: '/etc/x' })],
  [/; write \/etc\/x$/, file({ path: '/etc//x/' }), file({ path: '/etc/x' })],
  [/give an absolute path$/, { storage: { files: [{}] } }, file({})],
  [/fetches from http, https, tftp, s3, data, gs$/, source('ftp://a/b'), source('https://a/b')],
  [/check its escapes/, source('http://a/%zz'), source('http://a/%20')],
  [/padded standard base64$/, source('data:;base64,a'), source('data:;base64,YQ==')],
  [/percent-encode the data/, source('data:,a b'), source('data:,a%20b')],
  [
    /use gzip, or leave it out$/,
    source('data:,', { compression: 'xz' }),
    source('data:,', { compression: 'gzip' }),
  ],
  [
    /need an http or https source$/,
    source('data:,', { httpHeaders: [{ name: 'a', value: 'b' }] }),
    source('https://a/b', { httpHeaders: [{ name: 'a', value: 'b' }] }),
  ],
  [
    /128 hexadecimal digits/,
    source('data:,', { verification: { hash: 'sha512-0' } }),
    source('data:,', { verification: { hash: `sha512-${'0'.repeat(128)}` } }),
  ],
  [
    /with sha512 or sha256$/,
    source('data:,', { verification: { hash: 'md5-0' } }),
    source('data:,', { verification: { hash: `sha256-${'0'.repeat(64)}` } }),
  ],
  [/for 0755 write 493$/, file({ mode: 755 }), file({ mode: 493 })],
  [
    /write 493 for 0755, and set the other bits by a tmpfiles\.d file$/,
    file({ mode: 0o4755 }),
    file({ mode: 493 }),
  ],
  [/"data:," for an empty file$/, file({ overwrite: true }), source('data:,')],
  [/keep one of them$/, file({ user: { id: 1, name: 'a' } }), file({ user: { name: 'a' } })],
  [/say what the link points to$/, link({ target: '' }), link({})],
  [
    /the path that the link points to$/,
    { storage: { links: [{ path: '/l', target: '/t' }], files: [{ path: '/l/a' }] } },
    { storage: { links: [{ path: '/l', target: '/t' }], files: [{ path: '/t/a' }] } },
  ],
  [
    /merge it with the first one or remove it$/,
    { storage: { files: [{ path: '/a' }, { path: '/a' }] } },
    file({}),
  ],
  [
    /groups of 8-4-4-4-12$/,
    disk({ number: 1, guid: 'x' }),
    disk({ number: 1, guid: '01234567-89AB-CDEF-EDCB-A98765432101' }),
  ],
  [/leave the colon out$/, disk({ number: 1, label: 'a:b' }), disk({ number: 1, label: 'a' })],
  [/give it a number$/, disk({}), disk({ number: 1 })],
  [/its own number, or 0$/, disk({ number: 1 }, { number: 1 }), disk({ number: 1 }, { number: 2 })],
  [
    /only number and shouldExist$/,
    disk({ number: 1, label: 'a', shouldExist: false }),
    disk({ number: 1, shouldExist: false }),
  ],
  [/use ext4, btrfs/, filesystem({ format: 'zfs' }), filesystem({ format: 'ext4' })],
  [/give a format: ext4/, filesystem({ path: '/a' }), filesystem({ path: '/a', format: 'ext4' })],
  [
    /this one has 13: shorten it$/,
    filesystem({ format: 'xfs', label: 'x'.repeat(13) }),
    filesystem({ format: 'xfs', label: 'x' }),
  ],
  [
    /use linear, raid0/,
    raid({ level: 'raid7', devices: ['/dev/a'] }),
    raid({ level: 'raid1', devices: ['/dev/a'] }),
  ],
  [/list the member devices$/, raid({ level: 'raid1' }), raid({ level: 'raid1', devices: ['/dev/a'] })],
  [/appears as \/dev\/mapper\/NAME$/, luks({ name: 'a/b' }), luks({ name: 'b' })],
  [
    /use tpm2, tang or sss$/,
    luks({ clevis: { custom: { pin: 'x', config: '{}' } } }),
    luks({ clevis: { custom: { pin: 'tpm2', config: '{}' } } }),
  ],
  [
    /tang-show-keys$/,
    luks({ clevis: { tang: [{ url: 'http://a' }] } }),
    luks({ clevis: { tang: [{ url: 'http://a', thumbprint: 'x' }] } }),
  ],
  [
    /reached over http or https$/,
    luks({ clevis: { tang: [{ url: 'ftp://a', thumbprint: 'x' }] } }),
    luks({ clevis: { tang: [{ url: 'http://a', thumbprint: 'x' }] } }),
  ],
  [/name it NAME\.service/, unit({ name: 'a' }), unit({ name: 'a.service' })],
  [/name it NAME\.conf$/, unit({ dropins: [{ name: 'a' }] }), unit({ dropins: [{ name: 'a.conf' }] })],
  [/write \[Section\] lines/, unit({ contents: '[A' }), unit({ contents: '[A]\nB=c' })],
  [
    /add \[Install\] with WantedBy=multi-user\.target$/,
    unit({ enabled: true, contents: '[A]\nB=c' }),
    unit({ enabled: true, contents: '[A]\nB=c\n[Install]\nWantedBy=multi-user.target' }),
  ],
  [
    /write http:\/\/HOST:PORT$/,
    { ignition: { version: '3.3.0', proxy: { httpProxy: 'ftp://a' } } },
    { ignition: { version: '3.3.0', proxy: { httpProxy: 'http://a:1' } } },
  ],
  [
    /; use https:\/\/$/,
    { ignition: { version: '3.3.0', proxy: { httpsProxy: 'http://a' } } },
    { ignition: { version: '3.3.0', proxy: { httpsProxy: 'https://a' } } },
  ],
  [
    /say where it is fetched from$/,
    { ignition: { version: '3.3.0', config: { merge: [{}] } } },
    { ignition: { version: '3.3.0', config: { merge: [{ source: 'https://a/b' }] } } },
  ],
];

describe('a config that follows a hint literally has no finding', () => {
  for (const [hint, broken, mended] of CASES) {
    test(hint.source, async () => {
      const { entries } = await validate(config(broken));
      assert.ok(
        entries.some(({ message }) => hint.test(message)),
        JSON.stringify(entries),
      );
      assert.deepEqual((await validate(config(mended))).entries, []);
    });
  }
});
