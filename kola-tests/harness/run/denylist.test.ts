import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { denialOf, parseDenylist, readDenylist } from './denylist.ts';
import { loadTests } from './register.ts';
import { testModules } from './suite-options.ts';

const entry = {
  test: 'zfs.mirror',
  reason: 'flakes',
  tracker: 'https://bugs.example/1',
  expires: '2026-12-01',
};
const list = (change: object): string => JSON.stringify({ denied: [{ ...entry, ...change }] });

test('an entry holds its test back through its last day, then it is expired', () => {
  const denials = parseDenylist(list({}), 'x');
  const at = (day: string): boolean | undefined =>
    denialOf('zfs.mirror', denials, new Date(`${day}T12:00:00Z`))?.expired;
  assert.equal(at('2026-11-30'), false);
  assert.equal(at('2026-12-01'), false);
  assert.equal(at('2026-12-02'), true);
  assert.equal(denialOf('zfs.other', denials, new Date()), undefined);
});

test('an entry without reason, tracker or a real date is refused with its place', () => {
  const cases: [string, RegExp][] = [
    ['{', /denylist is not JSON/],
    ['{}', /must have required property 'denied'/],
    [list({ reason: ' ' }), /\$\.denied\[0\]\.reason must not be empty/],
    [list({ tracker: undefined }), /\$\.denied\[0\] must have required property 'tracker'/],
    [list({ expires: 'soon' }), /\$\.denied\[0\]\.expires must be a day/],
    [list({ expires: '2026-13-41' }), /\$\.denied\[0\]\.expires must be a day/],
    [list({ expires: '2024-02-31' }), /\$\.denied\[0\]\.expires must be a day/],
  ];
  for (const [text, message] of cases)
    assert.throws(() => parseDenylist(text, 'f.json'), { exitCode: 2, where: /^f\.json(:1)?$/, message });
});

test('the committed denylist is right; a missing one is empty', async () => {
  const { tests } = await loadTests(await testModules());
  const names = new Set(tests.map(({ definition }) => definition.name));
  await readDenylist(fileURLToPath(new URL('../../denylist.json', import.meta.url)), names);
  assert.deepEqual(await readDenylist('/nonexistent/denylist.json', names), []);
});

test('an entry with an unknown test is refused', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'denylist-test-'));
  const path = join(dir, 'denylist.json');
  try {
    await writeFile(path, list({}));
    assert.equal((await readDenylist(path, new Set(['zfs.mirror']))).length, 1);
    await assert.rejects(readDenylist(path, new Set(['zfs.mirrors'])), {
      exitCode: 2,
      where: path,
      message: /there is no test zfs\.mirror$/,
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
