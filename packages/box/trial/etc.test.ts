import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CHECKOUT } from '../../../sdk/lib/checkout.ts';
import { testFolder } from '../io/testing.ts';
import { dropEtc, saveEtc } from './etc.ts';
import { fakeWorld } from './testing.ts';

const OLD = 'a'.repeat(64);
const NEXT = 'b'.repeat(64);

/** The initrd's script on a folder that stands for /sysroot, with its programs left out but for those of files. */
function initrd(t: TestContext) {
  const folder = testFolder(t);
  const root = join(folder, 'sysroot');
  const bin = join(folder, 'bin');
  const cmdline = join(folder, 'cmdline');
  for (const each of [root, bin, join(root, 'etc')]) mkdirSync(each);
  for (const name of ['systemd-tmpfiles', 'systemd-sysusers', 'mount', 'sync']) {
    // As root.conf of the image: the folder is there afterwards.
    writeFileSync(
      join(bin, name),
      `#!/bin/sh\n${name === 'systemd-tmpfiles' ? `mkdir -p ${root}/etc` : ':'}\n`,
    );
    chmodSync(join(bin, name), 0o755);
  }
  const script = readFileSync(join(CHECKOUT, 'packages/overlays/initrd/usr/lib/draisine/root'), 'utf8')
    .replaceAll('/sysroot', root)
    .replaceAll('/run/draisine', join(folder, 'run'))
    .replaceAll('/proc/cmdline', cmdline);
  const at = (path: string) => join(root, path);
  return {
    at,
    bin,
    /** /etc, and as `saveEtc` keeps it. */
    save(content: string) {
      writeFileSync(at('etc/file'), content);
      mkdirSync(at('.etc-trial/etc'), { recursive: true });
      writeFileSync(at('.etc-trial/etc/file'), content);
      writeFileSync(at('.etc-trial/usrhash'), `${OLD}\n`);
    },
    /** A boot of a release; `cutBefore`: power fails before the mv(1) of this number. */
    boot(hash: string, cutBefore = 0) {
      writeFileSync(cmdline, `quiet usrhash=${hash} rw\n`);
      const mv = join(bin, 'mv');
      const count = join(folder, 'count');
      writeFileSync(count, '');
      writeFileSync(
        mv,
        `#!/bin/sh\necho >>${count}\n[ $(wc -l <${count}) -ne ${cutBefore} ] && exec /bin/mv "$@"\nexit 1\n`,
      );
      chmodSync(mv, 0o755);
      return spawnSync('sh', ['-c', script], { env: { PATH: `${bin}:/usr/bin:/bin` } }).status;
    },
    flag: (path: string) => existsSync(join(folder, 'run', path)),
    file: (path = 'etc/file') => (existsSync(at(path)) ? readFileSync(at(path), 'utf8') : undefined),
  };
}

test('the old release, without the other having been booted: /etc stays', (t) => {
  const { save, boot, file, at } = initrd(t);
  save('then');
  writeFileSync(at('etc/file'), 'now');
  assert.equal(boot(OLD), 0);
  assert.equal(file(), 'now');
  assert.equal(file('.etc-trial/etc/file'), 'then', 'it is still to come');
});

test('the other release, then the old one again: /etc is as before, and the trial’s version is kept beside it', (t) => {
  const { save, boot, file, at } = initrd(t);
  save('then');
  assert.equal(boot(NEXT), 0);
  writeFileSync(at('etc/file'), 'by the trial');
  assert.equal(boot(NEXT), 0, 'a second try');
  assert.equal(file(), 'by the trial');
  assert.equal(boot(OLD), 0);
  assert.deepEqual([file(), file('.etc-rejected/file')], ['then', 'by the trial']);
  assert.ok(!existsSync(at('.etc-trial')));
  writeFileSync(at('etc/file'), 'later');
  assert.equal(boot(OLD), 0);
  assert.equal(file(), 'later', 'once');
});

test('what the owner changed between the staging and the restart comes back too', (t) => {
  for (const cut of [0, 1]) {
    const { save, boot, file, at } = initrd(t);
    save('then');
    writeFileSync(at('etc/file'), 'changed since');
    assert.equal(boot(NEXT, cut) === 0, cut === 0);
    if (cut > 0) assert.equal(boot(NEXT), 0);
    writeFileSync(at('etc/file'), 'by the trial');
    assert.equal(boot(NEXT), 0, 'a second try');
    assert.equal(boot(OLD), 0);
    assert.deepEqual([file(), file('.etc-rejected/file')], ['changed since', 'by the trial']);
  }
});

test('an apply that power interrupted does not come back with it', (t) => {
  const { save, boot, file, at } = initrd(t);
  save('then');
  writeFileSync(at('etc/file'), 'half applied');
  mkdirSync(at('var/lib/draisine/config'), { recursive: true });
  mkdirSync(at('etc/systemd/system'), { recursive: true });
  writeFileSync(at('var/lib/draisine/config/journal.json'), '{}');
  boot(NEXT);
  rmSync(at('var'), { recursive: true });
  assert.equal(boot(OLD), 0);
  assert.equal(file(), 'then');
});

/** A journal of an apply that was interrupted: /etc/file is `old` in the backup, and /etc/new did not exist. */
function interrupted({ at }: ReturnType<typeof initrd>): void {
  for (const path of ['var/lib/draisine/config', 'etc/systemd/system', 'etc/new'])
    mkdirSync(at(path), { recursive: true });
  writeFileSync(at('etc/file'), 'old');
  symlinkSync(at('etc/target'), at('etc/link'));
  mkdirSync(at('etc/target'));
  writeFileSync(at('etc/target/x'), 'old');
  const saved = ['etc', 'etc/file', 'etc/link', 'etc/link/x'];
  const backup = at('var/lib/draisine/config/backup.tar');
  assert.equal(
    spawnSync('tar', ['--no-recursion', '--create', '-C', at(''), '-f', backup, ...saved]).status,
    0,
  );
  writeFileSync(at('var/lib/draisine/config/absent'), '/etc/new/deep\n/etc/new\n');
  writeFileSync(at('var/lib/draisine/config/journal.json'), '{}');
  for (const path of ['etc/file', 'etc/target/x', 'etc/new/deep']) writeFileSync(at(path), 'new');
}

test('an interrupted apply is reverted, also below a link', (t) => {
  const box = initrd(t);
  interrupted(box);
  assert.equal(box.boot(OLD), 0);
  assert.deepEqual(
    [box.file(), box.file('etc/target/x'), existsSync(box.at('etc/new'))],
    ['old', 'old', false],
  );
  assert.ok(existsSync(box.at('var/lib/draisine/config/reverted.json')));
  assert.ok(!box.flag('apply-reverting'));
});

test('an apply that cannot be reverted completely: the machine starts, the owner is told, and the next boot tries again', (t) => {
  const box = initrd(t);
  interrupted(box);
  rmSync(box.at('etc/file'));
  mkdirSync(box.at('etc/file'));
  writeFileSync(box.at('etc/file/made-by-a-service'), '');
  assert.equal(box.boot(OLD), 0);
  assert.equal(box.file('etc/target/x'), 'old', 'the rest is restored');
  assert.ok(box.flag('apply-reverting') && box.flag('problems/apply'));
  rmSync(box.at('etc/file'), { recursive: true });
  assert.equal(box.boot(OLD), 0);
  assert.equal(box.file(), 'old');
  assert.ok(!existsSync(box.at('var/lib/draisine/config/journal.json')));
});

test('power fails before a newer copy has its name, and then there is no room for one: the older copy comes back', (t) => {
  const { save, boot, file, at, bin } = initrd(t);
  save('then');
  writeFileSync(at('etc/file'), 'changed since');
  assert.notEqual(boot(NEXT, 1), 0);
  writeFileSync(join(bin, 'cp'), '#!/bin/sh\nexit 1\n');
  chmodSync(join(bin, 'cp'), 0o755);
  assert.equal(boot(NEXT), 0);
  writeFileSync(at('etc/file'), 'by the trial');
  assert.equal(boot(OLD), 0);
  assert.equal(file(), 'then');
});

test('/etc is kept a second time: the copies change places in one step', () => {
  const { box } = fakeWorld();
  const VIEW = '/run/draisine/state';
  saveEtc(box, OLD);
  assert.ok(box.stat(`${VIEW}/.etc-trial/usrhash`));
  const gone: string[] = [];
  box.program('rm', (argv) => {
    const path = argv.at(-1) ?? '';
    for (const name of [...box.nodes.keys()]) if (name.startsWith(path)) box.nodes.delete(name);
    gone.push(path);
    assert.ok(box.stat(`${VIEW}/.etc-trial/usrhash`), 'a copy is there at each moment');
    return '';
  });
  box.program('mv', (argv) => {
    assert.deepEqual(argv, [
      'mv',
      '--exchange',
      '--no-target-directory',
      `${VIEW}/.etc-trial.new`,
      `${VIEW}/.etc-trial`,
    ]);
    return '';
  });
  saveEtc(box, NEXT);
  assert.deepEqual(gone, [`${VIEW}/.etc-trial.new`, `${VIEW}/.etc-trial.new`]);
});

test('power fails while the copy is removed: no part of it has its name', () => {
  const { box } = fakeWorld();
  box.put({
    '/.etc-trial/usrhash': OLD,
    '/.etc-trial/etc/file': 'then',
    '/.etc-trial.new/etc/file': 'older',
  });
  box.program('rm', ([, , path = '']) => {
    assert.notEqual(path, '/.etc-trial');
    for (const name of [...box.nodes.keys()]) if (`${name}/`.startsWith(`${path}/`)) box.nodes.delete(name);
    return '';
  });
  dropEtc(box);
  assert.deepEqual(
    box.list('/').filter((name) => name.startsWith('.etc')),
    [],
  );
});

test('an apply is reverted on a full state partition: the reserve gives the room', (t) => {
  const { boot, at, bin } = initrd(t);
  for (const folder of ['var/lib/draisine/config', 'etc/systemd/system'])
    mkdirSync(at(folder), { recursive: true });
  const [reserve, journal] = [at('var/lib/draisine/reserve'), at('var/lib/draisine/config/journal.json')];
  for (const path of [reserve, journal, at('var/lib/draisine/config/absent')]) writeFileSync(path, '');
  writeFileSync(join(bin, 'tar'), `#!/bin/sh\n[ ! -e ${reserve} ]\n`);
  chmodSync(join(bin, 'tar'), 0o755);
  assert.equal(boot(OLD), 0);
  assert.ok(!existsSync(reserve) && !existsSync(journal));
});

/** A list of defaults that an apply has set back (packages/box/apply/defaults.ts). */
function setBack({ at }: ReturnType<typeof initrd>, files: Readonly<Record<string, string>>): void {
  mkdirSync(at('var/lib/draisine/config'), { recursive: true });
  const { uid, gid } = statSync(at('etc'));
  const lines = Object.entries(files).map(([path, text]) => {
    writeFileSync(at(path), text, { mode: 0o644 });
    return `${createHash('sha256').update(text).digest('hex')} 644:${uid}:${gid} /${path}\n`;
  });
  writeFileSync(at('var/lib/draisine/config/defaults'), lines.join(''));
}

test('a copy of a default goes before /etc is mounted; with another text or mode it stays', (t) => {
  const box = initrd(t);
  setBack(box, { 'etc/file': 'default', 'etc/edited': 'default', 'etc/mode': 'default', 'etc/a b': '' });
  writeFileSync(box.at('etc/edited'), 'by hand');
  chmodSync(box.at('etc/mode'), 0o600);
  for (const hash of [OLD, NEXT]) assert.equal(box.boot(hash), 0);
  const left = ['etc/file', 'etc/edited', 'etc/mode', 'etc/a b'].map((path) => box.file(path));
  assert.deepEqual(left, [undefined, 'by hand', 'default', undefined]);
});

test('copies of defaults stay while an apply is not decided, and if they cannot be removed', (t) => {
  for (const name of ['journal.json', 'committed.json']) {
    const box = initrd(t);
    interrupted(box);
    rmSync(box.at('var/lib/draisine/config/journal.json'));
    setBack(box, { 'etc/file': 'default' });
    writeFileSync(box.at(`var/lib/draisine/config/${name}`), '{}');
    box.boot(OLD);
    assert.equal(box.file(), name === 'journal.json' ? 'old' : 'default');
  }
  const box = initrd(t);
  setBack(box, { 'etc/file': 'default' });
  writeFileSync(join(box.bin, 'rm'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  assert.equal(box.boot(OLD), 0);
  assert.equal(box.file(), 'default');
});

test('no room for a newer copy: the older one comes back', (t) => {
  const { save, boot, file, at, bin } = initrd(t);
  save('then');
  writeFileSync(at('etc/file'), 'changed since');
  writeFileSync(join(bin, 'cp'), `#!/bin/sh\nmkdir "$3"\nexit 1\n`);
  chmodSync(join(bin, 'cp'), 0o755);
  assert.equal(boot(NEXT), 0);
  assert.ok(!existsSync(at('.etc-trial/now.new')));
  assert.equal(boot(OLD), 0);
  assert.equal(file(), 'then');
});

test('committed: nothing comes back', (t) => {
  const { save, boot, file, at } = initrd(t);
  save('then');
  boot(NEXT);
  writeFileSync(at('etc/file'), 'by the trial');
  rmSync(at('.etc-trial'), { recursive: true }); // what dropEtc does
  assert.equal(boot(OLD), 0);
  assert.equal(file(), 'by the trial');
});

test('power fails while /etc is put back: the next boot ends it', (t) => {
  for (const cut of [1, 2, 3]) {
    const { save, boot, file, at } = initrd(t);
    save('then');
    boot(NEXT);
    writeFileSync(at('etc/file'), 'by the trial');
    assert.notEqual(boot(OLD, cut), 0);
    assert.equal(boot(OLD), 0);
    assert.deepEqual([file(), file('.etc-rejected/file')], ['then', 'by the trial'], `before mv ${cut}`);
  }
});
