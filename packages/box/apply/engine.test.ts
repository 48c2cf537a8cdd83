import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BoxError } from '../io/box.ts';
import { apply, confirm, prepare } from './engine.ts';
import { CONFIG_FOLDER, readJournal } from './journal.ts';
import { applyMain } from './main.ts';
import { configOf, healthy, type Parts, provisioned, unitCalls } from './testing.ts';

const options = (parts: Parts) => ({
  ...{ config: configOf(parts), confirmSeconds: 120, keepTheirs: [], takeMine: [] },
});
const A = { files: { '/etc/a.conf': 'one\n' } };
const B = { files: { '/etc/a.conf': 'two\n' } };

/** The files of the apply in its folder. */
const left = (box: ReturnType<typeof provisioned>): string[] =>
  box.list(CONFIG_FOLDER).filter((name) => /journal|backup|absent/.test(name));

describe('before a change', () => {
  const WEB = '/etc/containers/systemd/web.container';
  const web = (image: string): Parts => ({ files: { [WEB]: `[Container]\nImage=${image}\n` } });
  const pulls = (before: Parts, after: Parts, podman: (argv: readonly string[]) => number = () => 1) => {
    const box = provisioned(before);
    box.program('podman', (argv) => ({ code: podman(argv), stderr: 'no route' }));
    const { result } = apply(box, healthy, options(after));
    assert.equal(result, 'waits for confirmation');
    const calls = box.ran.filter(
      ([name, verb]) => /^(systemd-run|podman)$/.test(name ?? '') && verb !== 'image',
    );
    return calls.map((argv) => (argv[0] === 'podman' ? argv.slice(1).join(' ') : 'the timer starts'));
  };

  test('images are pulled; a failure is left to the start of the container', () => {
    assert.deepEqual(pulls(web('a.example/web:1'), web('a.example/web:2')), [
      'pull --quiet -- a.example/web:2',
      'the timer starts',
    ]);
    const there = (argv: readonly string[]) => (argv[1] === 'image' ? 0 : 1);
    assert.deepEqual(pulls({}, web('a.example/web:2'), there), ['the timer starts']);
    for (const image of ['base.image', 'a.example/web:%i', 'a.example/web\nPull=never'])
      assert.deepEqual(pulls({}, web(image)), ['the timer starts'], image);
  });

  test('no image is pulled if the registries or the storage change too', () => {
    for (const path of ['/etc/containers/registries.conf.d/a.conf', '/etc/draisine/datasets/tank/a.sh'])
      assert.deepEqual(pulls({}, { files: { ...web('a.example/web').files, [path]: 'x' } }), [
        'the timer starts',
      ]);
  });

  test('contents that cannot be fetched: nothing has changed, and nothing goes back', () => {
    const box = provisioned({});
    box.program('curl', () => ({ code: 6, stderr: 'Could not resolve host' }));
    const file = { path: '/etc/a', contents: { source: 'https://a.example/a' } };
    assert.throws(
      () => apply(box, healthy, options({ storage: { files: [file] } })),
      /contents of \/etc\/a cannot be fetched/,
    );
    assert.ok(!box.ran.some(([program]) => program === 'systemd-run'));
    assert.deepEqual(left(box), []);
  });

  test('a partition that is full: nothing is left of the backup', () => {
    for (const file of ['backup.tar', 'absent', 'journal.json']) {
      const box = provisioned(A);
      box.fails = (call, what) => (call === 'write' && what.endsWith(`/${file}`) ? 'ENOSPC' : undefined);
      assert.throws(() => apply(box, healthy, options(B)), BoxError);
      box.fails = () => undefined;
      assert.deepEqual(left(box), [], file);
      assert.equal(box.readText('/etc/a.conf'), 'one\n');
    }
  });
});

test('the number of files does not change the number of flushes', () => {
  const flushes = (files: Record<string, string>): number => {
    const box = provisioned({});
    const written: string[] = [];
    const write = box.writeFile.bind(box);
    box.writeFile = (path, content, more?: { readonly mode?: number; readonly durable?: boolean }) => {
      if (more?.durable !== false) written.push(path);
      write(path, content, more);
    };
    const sync = box.sync.bind(box);
    box.sync = (path) => {
      written.push(path);
      sync(path);
    };
    apply(box, healthy, options({ files }));
    return written.length + box.ran.filter(([program]) => program === 'sync').length;
  };
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`/etc/many/${at}`, 'x']));
  assert.equal(flushes(many), flushes({ '/etc/one': 'x' }));
});

describe('nothing is planned', () => {
  test('while another apply is not decided: its changes would look like changes by hand', () => {
    const box = provisioned(A);
    const { id } = apply(box, healthy, options(B));
    assert.throws(() => prepare(box, options(A)), /waits for confirmation/);
    const said: string[] = [];
    const terminal = { print() {}, complain: (line: string) => void said.push(line), ask: () => undefined };
    box.put({ '/run/next': configOf(A) });
    assert.equal(applyMain(box, terminal, healthy, ['--plan', '/run/next']), 1);
    assert.match(said.join(), new RegExp(`--confirm ${id}`));
  });

  test('for a machine on trial: a rejected release takes the change back', () => {
    const box = provisioned(A);
    box.put({ '/run/draisine/on-trial.json': '{"version":"2026.1130.0"}' });
    assert.match(prepare(box, options(B)).plan.refusals[0]?.what ?? '', /2026\.1130\.0 is on trial/);
    assert.throws(() => apply(box, healthy, options(B)), /is on trial/);
    assert.equal(apply(box, healthy, options(A)).result, 'nothing to do');
  });
});

test('a plan after a power cut in a confirmation knows the new config, and writes nothing', () => {
  const box = provisioned(A);
  const { id } = apply(box, healthy, options(B));
  box.fails = (call, what) =>
    call === 'run' && what.includes('systemctl stop') ? 'power is cut' : undefined;
  assert.throws(() => confirm(box, id));
  box.fails = () => undefined;
  const before = [...box.nodes.keys()];
  assert.deepEqual(prepare(box, options(B)).plan.nodes, []);
  assert.deepEqual([...box.nodes.keys()], before);
});

test('a unit whose links alone change is enabled anew', () => {
  const unit = (target: string): Parts => ({
    units: { 'a.service': { contents: `[Install]\nWantedBy=${target}\n`, enabled: true } },
  });
  const box = provisioned(unit('a.target'));
  const after = unit('b.target');
  // A person has made the same change by hand.
  box.put({ '/etc/systemd/system/a.service': after.units?.['a.service']?.contents ?? '' });
  assert.equal(apply(box, healthy, options(after)).result, 'waits for confirmation');
  assert.ok(unitCalls(box).includes('reenable a.service'));
  assert.equal(readJournal(box)?.phase, 'unconfirmed');
});
