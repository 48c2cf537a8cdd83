import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type TestResult, writeResult } from '../harness/result.ts';
import { changes } from './changes.ts';
import { htmlReport } from './html.ts';
import { junitXml, xml } from './junit.ts';
import { writeReport } from './write.ts';

const good: TestResult = {
  test: 'boot.multi-user',
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
  assert.match(text, /<testcase classname="boot" name="boot\.multi-user" time="3\.500"\/>/);
  assert.match(text, /<failure message="&lt;b&gt; &amp; &quot;quotes&quot;">/);
  assert.doesNotMatch(text, /[\x00-\x08\x1b]/);
  assert.equal(xml('a\ud800b\u{1f600}'), 'a\ufffdb\u{1f600}');
});

test('the page is whole: evidence inside, nothing from elsewhere, nothing executed', () => {
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
    changes: ['package zfs: 1 → 2'],
  });
  assert.match(page, /1 failed/);
  assert.ok(page.indexOf('zfs.mirror') < page.indexOf('boot.multi-user'), 'failures come first');
  assert.doesNotMatch(page, /<script|src="(?!data:)|<link|https?:/);
  assert.match(page, /data:image\/png;base64,cG5n/);
  assert.match(page, /package zfs: 1 → 2/);
});

test('what changed between two builds: version, /usr, packages that came, went and moved', () => {
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
});

test('a report holds the tests of this run only, and a green complete run is what the next is compared with', async () => {
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
    const write = (tests: string[]): Promise<void> =>
      writeReport(report, { image: 'n100', manifest, tests, complete: true });

    await write([bad.test]);
    assert.match(await readFile(join(report, 'index.html'), 'utf8'), /last words[\s\S]*/);
    assert.doesNotMatch(await readFile(join(report, 'junit.xml'), 'utf8'), /multi-user/);

    await write([good.test]);
    assert.match(await readFile(join(report, 'index.html'), 'utf8'), /There was none/);
    await write([good.test]);
    assert.match(await readFile(join(report, 'index.html'), 'utf8'), /Nothing: the same build/);
    assert.equal(JSON.parse(await readFile(join(report, 'results.json'), 'utf8')).results.length, 1);
  } finally {
    if (saved === undefined) delete process.env.DRAISINE_CACHE;
    else process.env.DRAISINE_CACHE = saved;
    await rm(dir, { recursive: true, force: true });
  }
});
