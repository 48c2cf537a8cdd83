import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pruneReleases, setChannel } from './edit.ts';
import { addReport, snapshot, world } from './testing.ts';

test('set again: a published file that is missing or was cut off is served again, with the right bytes', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0' });
  await setChannel(w.at(), 'alpha', release);
  const before = snapshot(w.base);
  const served = join(w.base, 'box/releases/2026.1129.0');
  const size = statSync(join(served, 'usr.img')).size;
  rmSync(join(served, 'manifest.json'));
  writeFileSync(join(served, 'usr.img'), 'cut off');
  const { channels, moved } = await setChannel(w.at(1), 'alpha', release);
  assert.deepEqual([channels, moved], [[], size + statSync(join(served, 'manifest.json')).size]);
  assert.deepEqual(Object.keys(snapshot(w.base)), Object.keys(before));
  for (const file of ['usr.img', 'manifest.json'])
    assert.deepEqual(readFileSync(join(served, file)), readFileSync(join(release, file)));
  rmSync(join(served, 'usr.img'));
  writeFileSync(join(release, 'usr.img'), 'other');
  await assert.rejects(setChannel(w.at(1), 'alpha', release), {
    message: /the release is damaged: usr\.img/,
  });
  assert.ok(!existsSync(join(served, 'usr.img')), 'a damaged release mends nothing');
});

test('the web server may read what is published, whatever the umask of the publisher is', async (t) => {
  const umask = process.umask(0o077);
  try {
    const w = await world(t);
    const release = await w.release({ version: '2026.1129.0' });
    await addReport(w, release);
    await setChannel(w.at(), 'alpha', release);
    const modes = readdirSync(w.base, { recursive: true, encoding: 'utf8' }).map((path) => {
      const { mode } = statSync(join(w.base, path));
      return `${(mode & 0o777).toString(8)} ${path}`;
    });
    assert.ok(modes.length > 10);
    assert.equal(statSync(w.base).mode & 0o777, 0o755);
    assert.deepEqual(
      modes.filter((line) => !/^(755|644) /.test(line)),
      [],
    );
  } finally {
    process.umask(umask);
  }
});

/** Bytes that this process has read and written since it began (proc(5), /proc/PID/io), system calls of any kind. */
function bytesMoved(): { read: number; written: number } {
  const text = readFileSync('/proc/self/io', 'utf8');
  const field = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1]);
  return { read: field('rchar'), written: field('wchar') };
}

test('publishing a large release again reads and writes some kilobytes of it, not the release', async (t) => {
  const w = await world(t);
  const release = await w.release({ version: '2026.1129.0', content: 'x'.repeat(16 << 20) });
  const { moved } = await setChannel(w.at(), 'alpha', release);
  assert.ok(moved > 64 << 20, 'the content is in four files');
  const [before, began] = [bytesMoved(), performance.now()];
  assert.equal((await setChannel(w.at(1), 'alpha', release)).moved, 0);
  const [after, ms] = [bytesMoved(), performance.now() - began];
  const [read, written] = [after.read - before.read, after.written - before.written];
  t.diagnostic(`${moved} bytes at first; then ${read} read, ${written} written, in ${Math.round(ms)} ms`);
  assert.ok(read < 1 << 20, `${read} bytes read`);
  assert.ok(written < 64 << 10, `${written} bytes written: a lock, and what ssh-keygen is given`);
  assert.ok(ms < 5000, `${ms} ms`);
});

test('prune removes releases that no channel names; the newest stay', async (t) => {
  const w = await world(t);
  for (const day of [1, 2, 3, 4])
    await setChannel(w.at(), 'alpha', await w.release({ version: `2026.110${day}.0` }), {
      barrier: day === 1,
    });
  assert.deepEqual(await pruneReleases(w.at(), 2), ['2026.1102.0']);
  assert.deepEqual(readdirSync(join(w.base, 'box/releases')), ['2026.1101.0', '2026.1103.0', '2026.1104.0']);
  assert.deepEqual(await pruneReleases(w.at(), 0), ['2026.1103.0']);
  assert.deepEqual(await pruneReleases(w.at(), 0), []);
});

function whyNoNamespaces(): string | false {
  try {
    execFileSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'pipe' });
    return false;
  } catch (error) {
    return `user and mount namespaces are not available here: ${String(error).split('\n')[0]}`;
  }
}

test('a full disk: nothing half is there, and the old state is served', {
  skip: whyNoNamespaces(),
}, async (t) => {
  const w = await world(t);
  await setChannel(w.at(), 'alpha', await w.release({ version: '2026.1129.0' }));
  const big = await w.release({ version: '2026.1129.1', content: 'x'.repeat(1 << 20) });
  const child = fileURLToPath(new URL('publish-child.ts', import.meta.url));
  const loader = fileURLToPath(import.meta.resolve('tsx'));
  const script = [
    'mount -t tmpfs -o size=1m none /mnt && cp -a "$1"/. /mnt && find /mnt | sort > "$5"',
    '"$0" --import "$2" "$3" /mnt "$4" "$6" && find /mnt | sort | diff "$5" - && cmp "$1/box/alpha.json" /mnt/box/alpha.json',
  ].join(' && ');
  const args = [w.base, loader, child, w.keys.folder, join(w.folder, 'list'), big];
  const run = spawnSync('unshare', ['-Urm', 'sh', '-c', script, process.execPath, ...args], {
    encoding: 'utf8',
  });
  assert.match(run.stdout, /^error: cannot publish: ENOSPC.*\n.*\n {2}hint: make room there/);
  assert.equal(run.status, 0, run.stdout + run.stderr);
});
