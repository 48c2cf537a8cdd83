import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));
const copy = mkdtempSync(join(tmpdir(), 'draisine-bundle-'));
after(() => rmSync(copy, { recursive: true, force: true }));
const folder = join(copy, 'node_modules/.draisine');

/** A copy of the checkout with the same npm packages, but with its own folder for the bundle. */
function copyCheckout(): void {
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: CHECKOUT,
    encoding: 'utf8',
  });
  for (const path of files.split('\0').filter((name) => name !== '' && existsSync(join(CHECKOUT, name)))) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(CHECKOUT, path), join(copy, path));
  }
  mkdirSync(join(copy, 'node_modules'));
  for (const name of readdirSync(join(CHECKOUT, 'node_modules')).filter((each) => each !== '.draisine'))
    symlinkSync(join(CHECKOUT, 'node_modules', name), join(copy, 'node_modules', name));
}

/** Runs `graph generic`. `bundled`: whether the marked bundle ran. */
function graph(): { out: string; bundled: boolean } {
  const { stdout, stderr, status } = spawnSync('node', [join(copy, 'start.mjs'), 'graph', 'generic'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return { out: stdout, bundled: stderr.includes('from the bundle') };
}

interface Bundle {
  readonly entry: string;
  readonly stamps: Record<string, string>;
}

const LIST = join(folder, 'bundle.json');

function markBundle(): void {
  const list = JSON.parse(readFileSync(LIST, 'utf8')) as Bundle;
  const entry = join(folder, list.entry);
  appendFileSync(entry, "\nconsole.error('from the bundle');\n");
  const { size, mtimeNs, ctimeNs, ino, dev } = statSync(entry, { bigint: true });
  const name = relative(copy, entry);
  if (name in list.stamps) list.stamps[name] = `${size} ${mtimeNs} ${ctimeNs} ${ino} ${dev}`;
  writeFileSync(LIST, JSON.stringify(list));
}

test('a bundle is used until one of its sources changes, and gives the same output', async () => {
  copyCheckout();
  await sleep(2100); // files that were written in the last two seconds are not bundled
  const { out, bundled } = graph();
  assert.equal(bundled, false);
  markBundle();
  assert.deepEqual(graph(), { out, bundled: true });
  const good = readFileSync(LIST);
  const { entry } = JSON.parse(good.toString()) as Bundle;
  const [replaced, older] = [dirname(join(folder, entry)), join(folder, 'older')];
  const changes: Record<string, () => void> = {
    'a truncated list': () => truncateSync(LIST, 1000),
    // A power cut leaves it so. Node would run it, do nothing, and exit 0.
    'an empty module': () => truncateSync(join(folder, entry), 0),
    'a folder for a new image': () => mkdirSync(join(copy, 'images/new')),
    'an edited source': () => {
      appendFileSync(join(copy, 'build/graph/view.ts'), '\nprocess.env.CHANGED = "1";\n');
      mkdirSync(older);
      for (const each of [replaced, older]) utimesSync(each, 0, 0);
    },
  };
  for (const [what, change] of Object.entries(changes)) {
    writeFileSync(LIST, good);
    change();
    assert.deepEqual(graph(), { out, bundled: false }, what);
  }

  // On a quick host the edit was too young for a bundle.
  await sleep(2100);
  graph();
  assert.notEqual((JSON.parse(readFileSync(LIST, 'utf8')) as Bundle).entry, entry);
  // A process that has just started from the replaced bundle may still load parts of it.
  assert.deepEqual([existsSync(replaced), existsSync(older)], [true, false]);
});
