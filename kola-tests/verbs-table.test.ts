import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { PAGE, verbsTable, withTable } from './verbs-table.ts';

test('the table of verbs in docs/kola.md matches the docstrings', async () => {
  const page = await readFile(PAGE, 'utf8');
  const table = await verbsTable();
  assert.equal(page, withTable(page, table), 'stale: npx tsx kola-tests/verbs-table.ts');
  for (const verb of ['succeed', 'waitForUnit', 'crash', 'plug', 'snapshot', 'forward', 'netboot'])
    assert.match(table, new RegExp(`^\\| \`${verb}\` \\| [A-Z].*\\. \\| \`.*${verb}\\(`, 'm'), verb);
  assert.doesNotMatch(table, /`(dispose|take|prepare)`/, 'of the harness only');
});
