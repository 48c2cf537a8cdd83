import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { denialOf, parseDenylist, readDenylist } from './denylist.ts';

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
    ['{', /denylist is wrong/],
    ['{}', /\$\.denied must be an array/],
    [list({ reason: ' ' }), /\$\.denied\[0\]\.reason must be a text/],
    [list({ tracker: undefined }), /\$\.denied\[0\]\.tracker/],
    [list({ expires: 'soon' }), /\$\.denied\[0\]\.expires must be a day/],
    [list({ expires: '2026-13-41' }), /\$\.denied\[0\]\.expires must be a day/],
  ];
  for (const [text, message] of cases)
    assert.throws(() => parseDenylist(text, 'f.json'), { exitCode: 2, where: 'f.json', message });
});

test('the committed denylist is right; a missing one is empty', async () => {
  await readDenylist(fileURLToPath(new URL('../denylist.json', import.meta.url)));
  assert.deepEqual(await readDenylist('/nonexistent/denylist.json'), []);
});
