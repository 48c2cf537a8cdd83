import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { checkAgainst } from './check.ts';
import { compareLocks } from './diff.ts';
import { temporaryCache } from './fixtures-mirror.ts';
import {
  definitionDigest,
  formatLock,
  type Lock,
  type LockedPackage,
  lockDate,
  lockedSet,
  newLockText,
  readLock,
} from './lock.ts';
import { parseLock } from './lock-parse.ts';
import type { PackageSet } from './set.ts';
import { whyPackage } from './why.ts';

const hex = (digit: string) => digit.repeat(64);

function locked(name: string, version: string, more: Partial<LockedPackage> = {}): LockedPackage {
  return {
    ...{ name, version, architecture: 'amd64', size: 1000, installedSize: 10, sha256: hex('a') },
    ...{
      archive: 'debian',
      suite: 'trixie',
      component: 'main',
      path: `pool/main/x/${name}_${version}_amd64.deb`,
    },
    ...{ root: false, needs: {}, dropped: {}, ...more },
  };
}

const first: PackageSet = {
  name: 'first',
  include: ['app', 'tool'],
  drop: [{ package: 'debconf', reason: 'no questions' }],
};
const second: PackageSet = { name: 'second', include: ['lib/trixie-backports'] };

const lock: Lock = {
  indexes: [
    {
      ...{ archive: 'debian', suite: 'trixie', date: '2026-01-10T10:00:00Z' },
      ...{ inRelease: hex('1'), packages: { main: hex('2') } },
    },
    {
      ...{ archive: 'debian-security', suite: 'trixie-security', date: '2026-01-12T10:00:00Z' },
      ...{ validUntil: '2026-01-19T10:00:00Z', inRelease: hex('3'), packages: { main: hex('4') } },
    },
  ],
  sets: new Map([
    [
      'first',
      {
        definition: definitionDigest(first),
        packages: [
          locked('app', '1:2-1', {
            root: true,
            needs: { lib: 'lib (>= 1) | other', tool: 'tool' },
            dropped: { debconf: 'debconf' },
          }),
          locked('deep', '1'),
          locked('lib', '1.0', { needs: { deep: 'deep' } }),
          locked('tool', '3', { root: true, needs: { lib: 'lib' } }),
        ],
      },
    ],
    [
      'second',
      {
        definition: definitionDigest(second),
        packages: [locked('lib', '2.0~bpo13+1', { root: true, suite: 'trixie-backports' })],
      },
    ],
  ]),
  sources: [
    {
      ...{ name: 'lib', version: '1.0', archive: 'debian', suite: 'trixie', component: 'main' },
      directory: 'pool/main/x',
      files: [{ name: 'lib_1.0.dsc', size: 5, sha256: hex('5') }],
    },
  ],
};
const text = formatLock(lock);
const parse = (source: string) => parseLock(source, 'packages/lock.json', 'fix it');

test('a written lock reads back the same, and is written the same again', () => {
  assert.deepEqual(parse(text), lock);
  assert.equal(formatLock(parse(text)), text);
  assert.deepEqual(JSON.parse(text).format, 1);
});

test('a lock has one line for each package', () => {
  const lines = text.split('\n').filter((line) => line.includes('"name":"app"'));
  assert.equal(lines.length, 2, 'one pin, one place in its set');
  assert.ok(
    text.includes('"name":"lib","root":true,"version":"2.0~bpo13+1"'),
    'the version tells two of them apart',
  );
});

test('readLock: no file, no JSON', async (t) => {
  const path = join(await temporaryCache(t), 'lock.json');
  const fault = async () => {
    const error = await readLock(path).then(
      () => assert.fail(),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof Failure);
    assert.equal(error.exitCode, 2);
    assert.match(error.hint ?? '', /lock --update/);
    return error;
  };
  assert.match((await fault()).message, /there is no lock/);
  await writeFile(path, text.slice(0, -20));
  assert.match((await fault()).where ?? '', /lock\.json:\d+$/);
  await writeFile(path, text.replace('{\n', '{\n<<<<<<< ours\n'));
  const conflict = await fault();
  assert.match(conflict.message, /merge conflict/);
  assert.equal(conflict.where, `${path}:2`);
  await writeFile(path, text);
  assert.equal(await readFile(path, 'utf8'), formatLock(await readLock(path)));
});

test('every kind of damage is reported with its JSON path', () => {
  const damages: [string | RegExp, string, RegExp][] = [
    ['"format": 1', '"format": 2', /\$\.format: .*format 1, not 2/],
    [hex('1'), hex('1').slice(1), /\$\.indexes\[0\]\.inRelease/],
    ['"size":1000', '"size":"1000"', /\$\.packages\[0\]\.size/],
    ['"size":1000', '"size":-1', /\$\.packages\[0\]\.size/],
    ['"path":"pool/main/x/app', '"path":"pool/../../etc/app', /\$\.packages\[0\]\.path/],
    ['"path":"pool/main/x/app', '"path":"/etc/app', /\$\.packages\[0\]\.path/],
    ['"index":"debian/trixie/main"', '"index":"elsewhere/trixie/main"', /\$\.packages\[0\]\.index/],
    [hex('a'), hex('A'), /\$\.packages\[0\]\.sha256/],
    ['"name":"deep"}', '"name":"gone"}', /\$\.sets\.first\.packages\[1\]: "packages" has 0 entries for gone/],
    ['"deep":"deep"', '"depp":"deep"', /lib needs depp, which the set does not have/],
    ['"needs":{"deep":"deep"}', '"needs":["deep"]', /\$\.sets\.first\.packages\[2\]\.needs/],
    [/"indexes": \[[\s\S]*?\n {2}\]/, '"indexes": []', /\$\.indexes: there is no index/],
    [/"sets": \{[\s\S]*\n {2}\},/, '"sets": [],', /\$\.sets: must be object/],
    ['"directory":"pool/main/x"', '"directory":"pool/x/.."', /\$\.sources\[0\]\.directory/],
    ['"name":"lib_1.0.dsc"', '"name":"../lib_1.0.dsc"', /\$\.sources\[0\]\.files\[0\]\.name/],
  ];
  for (const [from, to, expected] of damages) {
    const damaged = text.replace(from, to);
    assert.notEqual(damaged, text, String(from));
    assert.throws(
      () => parse(damaged),
      (error) => {
        assert.ok(error instanceof Failure, String(error));
        assert.match(error.message, expected);
        return error.exitCode === 2 && error.hint === 'fix it';
      },
    );
  }
  for (const nonsense of ['null', '[]', '3', '{}', '""'])
    assert.throws(() => parse(nonsense), Failure, nonsense);
});

test('lockDate is the newest index, lockedSet knows its sets', () => {
  assert.equal(lockDate(lock), Date.parse('2026-01-12T10:00:00Z') / 1000);
  assert.deepEqual(
    lockedSet(lock, 'first').map(({ name }) => name),
    ['app', 'deep', 'lib', 'tool'],
  );
  assert.throws(() => lockedSet(lock, 'third'), /no package set third/);
});

test('the definition digest ignores order and reasons', () => {
  const digest = definitionDigest(first);
  assert.equal(definitionDigest({ ...first, include: ['tool', 'app', 'app'] }), digest);
  assert.equal(definitionDigest({ ...first, drop: [{ package: 'debconf', reason: 'other words' }] }), digest);
  assert.notEqual(definitionDigest({ ...first, include: ['tool'] }), digest);
  assert.notEqual(definitionDigest({ ...first, drop: [] }), digest);
  assert.notEqual(definitionDigest({ ...first, closure: 'roots' }), digest);
  assert.notEqual(definitionDigest({ ...first, sources: ['lib'] }), digest);
});

test('check: fresh, stale, missing, surplus, edited', () => {
  const check = (sets: PackageSet[], of = text) => checkAgainst(parse(of), sets, of).join('; ');
  assert.equal(check([first, second]), '');
  assert.match(check([{ ...first, include: ['app'] }, second]), /first has changed/);
  assert.match(check([first, second, { name: 'third', include: [] }]), /third is not in the lock/);
  assert.match(check([first]), /second, which no longer exists/);
  const packages = lockedSet(lock, 'first');
  const closure = (changed: readonly LockedPackage[]) => {
    const sets = new Map(lock.sets).set('first', { ...lock.sets.get('first')!, packages: changed });
    return checkAgainst({ ...lock, sets }, [first, second], '').join('; ');
  };
  const without = packages.filter(({ name }) => name !== 'tool');
  const idle = packages.map((entry) => (entry.name === 'lib' ? { ...entry, needs: {} } : entry));
  const rooted = packages.map((entry) => (entry.name === 'deep' ? { ...entry, root: true } : entry));
  assert.match(closure(without), /first is locked without packages that it includes: tool/);
  assert.match(closure(idle), /first is locked with packages that nothing there needs: deep/);
  assert.match(closure(rooted), /first is locked with roots that it does not include: deep/);
  assert.match(check([first, second], text.replace('"size":1000', '"size": 1000')), /edited by hand/);
});

test('a lock with an impossible date is damaged', () => {
  const { date } = lock.indexes[0]!;
  for (const wrong of ['2026-02-30T10:00:00Z', '2026-13-01T10:00:00Z', '2026-01-01T25:00:00Z']) {
    assert.throws(() => parse(text.replace(date, wrong)), {
      exitCode: 2,
      message: /date: there is no such date/,
    });
  }
});

test('diff lists new, removed and changed packages', () => {
  const changed = parse(text.replaceAll('"version":"3"', '"version":"4"').replaceAll('_3_', '_4_'));
  assert.deepEqual(compareLocks(lock, changed), [
    { set: 'first', added: [], removed: [], changed: [{ name: 'tool', from: '3', to: '4' }] },
  ]);
  assert.equal(compareLocks(undefined, lock)[0]?.added.length, 4);
  assert.deepEqual(compareLocks(lock, lock), []);
});

test('why: the shortest chain from a root, and all packages that depend on it', () => {
  const packages = lockedSet(lock, 'first');
  const why = whyPackage('first', packages, 'deep', first);
  assert.deepEqual(why.chain, [
    { package: 'app' },
    { package: 'lib', need: 'lib (>= 1) | other' },
    { package: 'deep', need: 'deep' },
  ]);
  assert.deepEqual(why.askedBy, [{ package: 'lib', need: 'deep' }]);
  for (const name of ['constructor', 'toString', '__proto__']) {
    assert.throws(() => whyPackage('first', packages, name, first), { name: 'Failure', exitCode: 2 });
  }
  for (const [name, hint] of [
    ['deep:amd64', /: deep$/],
    ['deep=1.2-3', /: deep$/],
    ['Deep', /no capital letters: deep$/],
    ['../etc/x', /absolute: \/etc\/x$/],
    ['', /name a package/],
  ] as const)
    assert.throws(() => whyPackage('first', packages, name, first), { exitCode: 2, hint });
  const root = whyPackage('first', packages, 'tool', first);
  assert.equal(root.root, true);
  assert.deepEqual(root.chain, [{ package: 'tool' }]);
  assert.deepEqual(root.askedBy, [{ package: 'app', need: 'tool' }]);
});

test('why not: a drop with its reason, else bad input with near names', () => {
  const packages = lockedSet(lock, 'first');
  const why = whyPackage('first', packages, 'debconf', first);
  assert.equal(why.included, false);
  assert.equal(why.reason, 'no questions');
  assert.deepEqual(why.askedBy, [{ package: 'app', need: 'debconf' }]);
  assert.throws(
    () => whyPackage('first', packages, 'dep', first),
    (error) => {
      assert.ok(error instanceof Failure);
      return error.exitCode === 2 && /deep/.test(error.hint ?? '');
    },
  );
  const odd: [name: string, hint: RegExp][] = [
    ['', /name a package/],
    ['*', /name a package/],
    ['usr/bin/app', /: \/usr\/bin\/app$/],
  ];
  for (const [name, hint] of odd)
    assert.throws(() => whyPackage('first', packages, name, first), { exitCode: 2, hint });
});

test('a lock that could not be read again is not written', () => {
  assert.equal(newLockText(lock), formatLock(lock));
  const odd = (more: Partial<LockedPackage>): Lock => ({
    ...lock,
    sets: new Map([['first', { definition: hex('5'), packages: [locked('app', '1', more)] }]]),
  });
  for (const more of [
    { size: Number.NaN },
    { path: '../../etc/passwd' },
    { sha256: 'MD5' },
    { architecture: '' },
  ])
    assert.throws(() => newLockText(odd(more)), {
      exitCode: 2,
      message: /the lock is damaged: \$\.packages\[0\]/,
      hint: /nothing was written/,
    });
});
