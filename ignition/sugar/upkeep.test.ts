import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { textOf } from './testing.ts';
import { scrub, snapshotPolicy } from './upkeep.ts';

/** A fake `zfs` that keeps its snapshots in a file, ordered by transaction group, the oldest first. */
const FAKE_ZFS = `#!/bin/sh
set -eu
case "$1" in
snapshot) shift; [ "$1" = -r ] && shift; echo "$1" >>"$SNAPSHOTS" ;;
destroy) shift; [ "$1" = -r ] && shift; grep -vxF "$1" "$SNAPSHOTS" >"$SNAPSHOTS.new" || :; mv "$SNAPSHOTS.new" "$SNAPSHOTS" ;;
list)
  case " $* " in
  *' -S createtxg '*) if [ -n "\${REVERSED-}" ]; then cat "$SNAPSHOTS"; else tac "$SNAPSHOTS"; fi ;;
  *) cat "$SNAPSHOTS" ;;
  esac ;;
esac
`;

/** Runs the script of a policy that keeps `keep` snapshots, on these snapshots. Returns the remaining ones. */
function retained(
  keep: number,
  before: readonly string[],
  environment: Record<string, string> = {},
): { left: string[]; status: number | null; said: string } {
  const folder = mkdtempSync(join(tmpdir(), 'snapshots-'));
  try {
    const snapshots = join(folder, 'list');
    writeFileSync(snapshots, before.map((name) => `tank/a@${name}\n`).join(''));
    writeFileSync(join(folder, 'zfs'), FAKE_ZFS);
    chmodSync(join(folder, 'zfs'), 0o755);
    const policy = snapshotPolicy('tank/a', { keep: { hourly: keep } });
    const script = textOf(policy, '/etc/draisine/snapshots/tank/a.hourly.sh');
    const env = {
      ...process.env,
      ...environment,
      SNAPSHOTS: snapshots,
      PATH: `${folder}:${process.env.PATH}`,
    };
    const { status, stderr } = spawnSync('sh', { input: script, encoding: 'utf8', env });
    const left = readFileSync(snapshots, 'utf8').trim().split('\n');
    return { left: left.map((line) => line.replace('tank/a@', '')), status, said: stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('snapshots', () => {
  const future = ['auto-hourly-20991231T000000Z', 'auto-hourly-20991231T010000Z'];

  test('the newest are kept, even if the clock was ahead once', () => {
    const { left, status } = retained(2, ['auto-hourly-20260101T000000Z', ...future]);
    assert.equal(status, 0);
    assert.equal(left.length, 2);
    assert.equal(left[0], future[1], 'the snapshot from before the clock was corrected');
    assert.notEqual(left[1], future[0], 'the new snapshot is kept');
  });

  test('snapshots of other policies and of people are kept', () => {
    const others = ['auto-daily-20200101T000000Z', 'before-upgrade'];
    const { left } = retained(1, [...others, 'auto-hourly-20200101T000000Z']);
    assert.deepEqual(left.slice(0, 2), others);
    assert.equal(left.length, 3);
  });

  test('no snapshot is removed, and the unit fails, if the new snapshot is not the newest of the list', () => {
    const { left, status, said } = retained(1, future, { REVERSED: 'yes' });
    assert.equal(status, 1);
    assert.match(said, /snapshots of tank\/a: the newest is not .*none is removed/);
    assert.equal(left.length, 3);
  });
});

/**
 * Runs the script of a scrub with a fake `zpool`: `zpool scrub` fails with the message `said`, and `status` is its
 * status.
 */
function scrubbed(said: string, status: string): { code: number | null; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'scrub-'));
  try {
    const zpool = `#!/bin/sh
case "$1" in
scrub) [ -z "$SAID" ] || { echo "$SAID" >&2; exit 1; } ;;
status) echo "$STATUS" ;;
esac
`;
    writeFileSync(join(folder, 'zpool'), zpool);
    chmodSync(join(folder, 'zpool'), 0o755);
    const script = textOf(scrub('tank'), '/etc/draisine/scrubs/tank.sh');
    const env = { ...process.env, SAID: said, STATUS: status, PATH: `${folder}:${process.env.PATH}` };
    const ran = spawnSync('sh', { input: script, encoding: 'utf8', env });
    return { code: ran.status, output: ran.stdout + ran.stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('scrubs', () => {
  const healthy = '  scan: scrub repaired 0B in 00:00:01 with 0 errors on Sun Nov 29 12:00:00 2026';

  test('a scrub that runs already is waited for', () => {
    const running = "cannot scrub tank: currently scrubbing; use 'zpool scrub -s' to cancel";
    assert.equal(scrubbed(running, healthy).code, 0);
    assert.equal(scrubbed('', healthy).code, 0);
  });

  test('unrepaired errors and a missing pool fail the unit', () => {
    assert.match(scrubbed('', healthy.replace('0 errors', '3 errors')).output, /found 3 errors/);
    assert.equal(scrubbed('', healthy.replace('0 errors', '3 errors')).code, 1);
    assert.equal(scrubbed("cannot open 'tank': no such pool", healthy).code, 1);
  });

  test('stopping the unit is not a failure', () => {
    const { units } = scrub('tank').systemd as { units: { contents: string }[] };
    assert.match(units[0]?.contents ?? '', /^SuccessExitStatus=SIGTERM$/m);
  });
});
