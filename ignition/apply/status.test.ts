import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { statusOf, statusTable } from './status.ts';

test('each machine is asked by one connection; a machine without an answer is a row too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'draisine-status-'));
  const path = process.env.PATH;
  const status = {
    image: 'n100',
    version: '2026.1129.0',
    channel: 'stable',
    rejected: [
      { version: '2026.1130.0', reason: 'no pool' },
      { version: '2026.1128.0', reason: 'older than what runs' },
    ],
  };
  const health = {
    conditions: [
      { severity: 'warning', text: 'w' },
      { severity: 'error', text: 'e' },
      { severity: 'info', text: 'i' },
    ],
  };
  // As packages/box/cli/verb.ts prints it.
  const asTold = (document: object) => JSON.stringify(document, null, 2);
  const script = `#!/bin/sh
case "$*" in
*root@good*) printf '%s\\n--- next ---\\n%s\\n--- next ---\\n%s\\n' '${asTold(status)}' '${asTold(health)}' 180000
  printf ' 2500000000  37%%\\n1\\ntank\\tONLINE\\t41%%\\nold\\tDEGRADED\\t80%%\\n' ;;
*root@old*) echo 'sh: draisine: not found' >&2; exit 127 ;;
*root@odd*) echo hello ;;
*) echo 'no route to host' >&2; exit 255 ;;
esac
`;
  try {
    await writeFile(join(folder, 'ssh'), script);
    await chmod(join(folder, 'ssh'), 0o755);
    process.env.PATH = `${folder}${delimiter}${path}`;
    const all = await Promise.all(['good', 'old', 'odd', 'gone'].map(statusOf));
    assert.deepEqual(all[0], {
      ...{ host: 'good', image: 'n100', version: '2026.1129.0', channel: 'stable', uptime: 180_000 },
      update: '2026.1130.0 rejected: no pool',
      room: { free: 2_500_000_000, percent: 37 },
      failedUnits: 1,
      pools: [
        { name: 'tank', state: 'ONLINE', percent: 41 },
        { name: 'old', state: 'DEGRADED', percent: 80 },
      ],
      health: [
        { severity: 'error', text: 'e' },
        { severity: 'warning', text: 'w' },
      ],
    });
    const table = statusTable(all).split('\n');
    assert.match(table[0] ?? '', /^HOST +VERSION +CHANNEL +UP +ROOM +POOLS +FAILED +HEALTH +UPDATE$/);
    assert.match(
      table[1] ?? '',
      /^good +2026\.1129\.0 +stable +2 d +2\.5 GB \(37 %\) +tank 41 %, old DEGRADED 80 % +1 +2 wrong +2026\.1130\.0 rejected: no pool$/,
    );
    assert.deepEqual(table.slice(2, 4), ['  error: e', '  warning: w']);
    assert.match(statusTable(all), /old +- +silent\n {2}it could not be asked: sh: draisine: not found/);
    assert.match(
      statusTable(all),
      /odd +- +silent\n {2}its answer is not one of Draisine: is it another system\?/,
    );
    assert.match(statusTable(all), /gone +- +silent\n {2}.*no route to host/);
  } finally {
    process.env.PATH = path;
    await rm(folder, { recursive: true });
  }
});
