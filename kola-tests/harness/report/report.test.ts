import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../../sdk/lib/files.ts';
import { xml } from '../../../sdk/lib/xml.ts';
import { changes } from './changes.ts';
import { htmlReport } from './html.ts';
import { junitXml } from './junit.ts';
import { type TestResult, writeResult } from './result.ts';
import { writeReport } from './write.ts';

const good: TestResult = {
  test: 'boot.multi-user',
  what: 'The machine <comes> up.',
  passed: true,
  upMs: 1000,
  bodyMs: 2000,
  checkMs: 500,
  totalMs: 3500,
  fallbacks: [],
};
const bad: TestResult = {
  test: 'zfs.mirror',
  passed: false,
  upMs: 1000,
  totalMs: 61_250,
  fallbacks: [],
  error: '<b> & "quotes"\n\x1b[31mred\x00',
};

test('JUnit: counts, seconds, and text that XML can hold', () => {
  const text = junitXml('kola n100', [good, bad]);
  assert.match(
    text,
    /<testsuite name="kola n100" tests="2" failures="1" errors="0" skipped="0" time="64\.750">/,
  );
  assert.match(text, /<testcase classname="boot" name="boot\.multi-user" time="3\.500">/);
  assert.match(
    text,
    /<property name="what" value="The machine &lt;comes&gt; up\."\/><\/properties><\/testcase>/,
  );
  assert.match(text, /<failure message="&lt;b&gt; &amp; &quot;quotes&quot;">/);
  assert.doesNotMatch(text, /[\x00-\x08\x1b]/);
  assert.equal(xml('a\ud800b\u{1f600}'), 'a\ufffdb\u{1f600}');
});

test('the page has all evidence, loads nothing from elsewhere, and runs no script', () => {
  const evidence = [
    {
      test: bad.test,
      machine: 'box',
      texts: [{ name: 'console.txt', text: '<script>alert(1)</script>' }],
      screenshot: Buffer.from('png'),
    },
  ];
  const page = htmlReport({
    image: 'n100',
    version: '1',
    results: [good, bad],
    evidence,
    spent: [{ on: 'boots', times: 2, ms: 65_000 }],
    changes: ['package zfs: 1 → 2'],
  });
  assert.match(page, /1 failed/);
  assert.match(page, /boots +2 × +65 s/);
  assert.match(page, /boot\.multi-user<br><small>The machine &lt;comes&gt; up\./);
  assert.ok(page.indexOf('zfs.mirror') < page.indexOf('boot.multi-user'), 'failures come first');
  assert.doesNotMatch(page, /<script|src="(?!data:)|<link|https?:/);
  assert.match(page, /data:image\/png;base64,cG5n/);
  assert.match(page, /package zfs: 1 → 2/);
});

test('JUnit: a test that never ran is skipped or an error, not a failure', () => {
  const text = junitXml('kola', [
    { ...bad, trouble: true },
    { ...good, skipped: 'a "bug"' },
  ]);
  assert.match(text, /tests="2" failures="0" errors="1" skipped="1"/);
  assert.match(text, /<error message="&lt;b&gt;/);
  assert.match(text, /<skipped message="a &quot;bug&quot;"\/>/);
});

test('hostile output: an end of a CDATA section, NULs, ten megabytes', async () => {
  const hostile = `]]></failure><script>x</script>\x00\x1b[2J\ud800 ${'<'.repeat(10 << 20)} the end`;
  const results = [{ ...bad, error: hostile, fallbacks: ['<i>why</i>'] }];
  const text = junitXml('kola <&>', results);
  const page = htmlReport({
    image: 'n100',
    version: '<v>',
    results,
    evidence: [],
    spent: [{ on: '<i>', ms: 1000 }],
    changes: ['<c>'],
  });
  for (const [name, document] of Object.entries({ text, page })) {
    assert.ok(document.length < 1 << 20, `${name} has ${document.length} characters`);
    assert.doesNotMatch(document, /<script|<i>|<c>|<v>|<&>|[\x00-\x08\x0b\x0c\x0e-\x1f]/, name);
    assert.match(document, /characters left out[\s\S]*the end/, name);
  }
  // Every opened element is closed. Otherwise an XML parser would refuse the file.
  const open: string[] = [];
  for (const [, slash, name = '', alone] of text.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (slash) assert.equal(open.pop(), name);
    else if (!alone) open.push(name);
  }
  assert.deepEqual(open, []);
});

test('the boot chart is an image inside the page, so its scripts do not run', () => {
  const chart = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
  const page = htmlReport({
    image: 'n100',
    version: '1',
    results: [good],
    evidence: [],
    spent: [],
    changes: [],
    bootChart: chart,
  });
  assert.match(page, /<img alt="boot chart" src="data:image\/svg\+xml;base64,PHN2Zy/);
  assert.doesNotMatch(page, /<script/);
});

test('changes between two builds: version, /usr, new, removed and changed packages', () => {
  const build = (packages: Record<string, string>, usrHash = 'a'.repeat(64)) => ({
    version: '1',
    usrHash,
    packages: Object.entries(packages).map(([name, version]) => ({ name, version })),
  });
  assert.deepEqual(
    changes(build({ a: '1', b: '1', c: '1' }), build({ a: '1', b: '2', d: '1' }, 'b'.repeat(64))),
    [
      '/usr aaaaaaaaaaaa → bbbbbbbbbbbb',
      'package b: 1 → 2',
      'package c: 1 → gone',
      'package d: not there → 1',
    ],
  );
  assert.deepEqual(changes(build({ a: '1' }), build({ a: '1' })), []);
  // Tests: twice as long and three seconds more.
  const timed = (tests: Record<string, number>) => ({ ...build({}), tests });
  assert.deepEqual(
    changes(
      timed({ 'a.b': 2000, 'a.c': 1000, 'a.d': 9000 }),
      timed({ 'a.b': 6000, 'a.c': 3500, 'a.d': 13_000 }),
    ),
    ['test a.b is slower: 2.0 s → 6.0 s'],
  );
});

test('a report has the tests of this run only; the next run is compared with the last complete green one', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'report-test-'));
  const saved = process.env.DRAISINE_CACHE;
  process.env.DRAISINE_CACHE = join(dir, 'cache');
  try {
    const manifest = join(dir, 'manifest.json');
    const report = join(dir, 'report');
    await writeFile(manifest, JSON.stringify({ version: '1', usrHash: 'a'.repeat(64), packages: [] }));
    await writeResult(report, good);
    await writeResult(report, bad);
    await mkdir(join(report, 'zfs.mirror/box'));
    await writeFile(join(report, 'zfs.mirror/box/console.txt'), 'last words');
    const ended = ({ test: name, passed, totalMs: ms }: TestResult) => ({ name, passed, ms });
    const run = { image: 'n100', manifest, all: ['boot.multi-user', 'zfs.mirror'], stages: [] };
    const write = (...results: TestResult[]) =>
      writeReport(report, { ...run, tests: results.map(ended), scope: 'gate' });
    const read = async () => JSON.parse(await readFile(join(report, 'results.json'), 'utf8'));

    await write(bad);
    assert.match(await readFile(join(report, 'index.html'), 'utf8'), /last words[\s\S]*/);
    assert.doesNotMatch(await readFile(join(report, 'junit.xml'), 'utf8'), /multi-user/);

    // The long console of a guest: the page has its end, the file has all of it.
    const flood = Buffer.concat([Buffer.alloc(10 << 20, 'flood\0\x1b[1m '), Buffer.from('very last words')]);
    await writeFile(join(report, 'zfs.mirror/box/console.txt'), flood);
    await write(bad);
    const page = await readFile(join(report, 'index.html'), 'utf8');
    assert.ok(page.length < 1 << 20 && page.includes('very last words'));
    assert.match(page, /the first \d+ bytes are in .*console\.txt/);

    await write(good);
    assert.match(await readFile(join(report, 'index.html'), 'utf8'), /There was none/);
    await write(good);
    assert.match(await readFile(join(report, 'index.html'), 'utf8'), /Nothing: the same build/);
    assert.equal((await read()).results.length, 1);
    assert.equal((await read()).complete, false, 'the gate leaves out long tests');
    const shard = '1/2';
    await writeReport(report, { ...run, tests: [ended(good)], scope: 'all', shard });
    assert.deepEqual([(await read()).complete, (await read()).shard], [true, shard]);
    assert.deepEqual((await read()).all, ['boot.multi-user', 'zfs.mirror'], 'also those of other shards');
    await writeReport(report, { ...run, tests: [ended(good)], scope: 'part', shard });
    assert.equal((await read()).complete, false, 'a shard of some tests is not a shard of all tests');

    // Results of the image that a build has replaced would be signed as those of the new one.
    const before = await readFile(manifest);
    await writeResult(report, { ...good, manifest: sha256(before) });
    await write(good);
    await writeFile(manifest, JSON.stringify({ version: '2', usrHash: 'b'.repeat(64), packages: [] }));
    await assert.rejects(write(good), /n100 was built again while its tests ran/);
    assert.equal((await read()).version, '1');
  } finally {
    if (saved === undefined) delete process.env.DRAISINE_CACHE;
    else process.env.DRAISINE_CACHE = saved;
    await rm(dir, { recursive: true, force: true });
  }
});
