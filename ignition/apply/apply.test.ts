import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { applyOn, checkWhole, planOn } from './apply.ts';
import { destination, forHosts } from './session.ts';
import { differing, parseSeconds, showPlans, unchanged } from './verbs.ts';

/** An ssh of the test: a shell script that gets the command line of the box as its last word. */
let folder = '';
const path = process.env.PATH;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-ssh-'));
  process.env.PATH = `${folder}${delimiter}${path}`;
});
afterEach(async () => {
  process.env.PATH = path;
  await rm(folder, { recursive: true });
});

async function ssh(script: string): Promise<void> {
  const text = `#!/bin/sh\nfor command; do :; done\necho "$command" >>${folder}/log\n${script}\n`;
  await writeFile(join(folder, 'ssh'), text);
  await chmod(join(folder, 'ssh'), 0o755);
}

const wanted = { text: '{}', seconds: 10, keepTheirs: ['/etc/it’s'], takeMine: [] };
const log = async () => (await readFile(join(folder, 'log'), 'utf8')).trim().split('\n');

test('a plan: the config goes to memory on the box, readable by root alone; words are quoted', async () => {
  await ssh(
    `case "$command" in *--plan*) echo '{"changes":[],"diffs":{},"drift":[],"refusals":[],"left":[]}' ;; *) cat >${folder}/sent ;; esac`,
  );
  assert.deepEqual((await planOn('box', wanted)).changes, []);
  assert.equal(await readFile(join(folder, 'sent'), 'utf8'), '{}');
  const [upload, plan] = await log();
  assert.match(
    upload ?? '',
    /umask 077 && mkdir -p \/run\/draisine && cat >\/run\/draisine\/apply-[0-9a-f]{16}\.json/,
  );
  assert.match(plan ?? '', /^draisine apply --plan --json --keep-theirs '\/etc\/it’s' \/run/);
});

test('a change is applied, and confirmed by a new connection', async () => {
  await ssh(
    `case "$command" in *systemd-run*) echo '{"result":"waits for confirmation","troubles":[]}' ;; *--confirm*) exit 0 ;; *) cat >/dev/null ;; esac`,
  );
  assert.deepEqual(await applyOn('box', wanted), { host: 'box', result: 'applied', troubles: [] });
  const [, run, confirm] = await log();
  const id = /--id ([0-9a-f]{12})/.exec(run ?? '')?.[1];
  assert.equal(confirm, `draisine apply --confirm ${id}`);
});

test('a change breaks the connection: a new connection confirms it; if none succeeds in time, the box reverts it', async () => {
  await ssh(
    `case "$command" in *systemd-run*) exit 255 ;; *--confirm*) [ -e ${folder}/up ] || { : >${folder}/up; exit 255; } ;; *) cat >/dev/null ;; esac`,
  );
  assert.equal((await applyOn('box', wanted)).result, 'applied');
  await ssh(
    'case "$command" in *sh*-c*) cat >/dev/null ;; *) echo Host key verification failed >&2; exit 255 ;; esac',
  );
  const { result, troubles } = await applyOn('box', { ...wanted, seconds: 1 });
  assert.equal(result, 'went back');
  assert.match(troubles.join(), /no new connection could be made: Host key verification failed/);
});

test('a machine that gets another address is confirmed there, and must have the host key of the old one', async () => {
  await ssh(
    `echo "$*" >>${folder}/args
case "$*" in -G*) printf 'hostname 192.0.2.1\nport 2222\n' ;; *systemd-run*) exit 255 ;; *--confirm*) ;; *) cat >/dev/null ;; esac`,
  );
  const moved = { ...wanted, confirmAt: 'ssh://root@192.0.2.9:2222' };
  assert.equal((await applyOn('box', moved)).result, 'applied');
  const last = (await readFile(join(folder, 'args'), 'utf8')).trim().split('\n').at(-1);
  assert.match(last ?? '', /-o HostKeyAlias=\[192\.0\.2\.1\]:2222 -p 2222 root@192\.0\.2\.9 -- .*--confirm/);
});

test('many machines: some at a time, and the results in order', async () => {
  const hosts = Array.from({ length: 100 }, (_, index) => `box${index}`);
  let [now, most] = [0, 0];
  const results = await forHosts(hosts, async (host) => {
    most = Math.max(most, ++now);
    await new Promise((done) => setTimeout(done, host.endsWith('7') ? 5 : 1));
    now--;
    return host;
  });
  assert.deepEqual(results, hosts);
  assert.equal(most, 16);
  await assert.rejects(
    forHosts(hosts, () => Promise.reject(new Error('a defect'))),
    /a defect/,
  );
});

test('another plan than the shown one is noticed', () => {
  const plan = (...changes: string[]) => ({
    host: 'a',
    value: { changes, diffs: {}, drift: [], refusals: [], left: [] },
  });
  assert.deepEqual(differing([plan('+ /a')], [plan('+ /a')]), []);
  assert.deepEqual(differing([plan('+ /a')], [plan('+ /a', '- /b')]), ['a']);
  assert.deepEqual(differing([plan()], [{ host: 'a', failure: new Failure('no route') }]), ['a']);
});

test('a confirmation whose answer was lost is sent again', async () => {
  await ssh(
    `case "$command" in *systemd-run*) echo '{"result":"waits for confirmation","troubles":[]}' ;; *--confirm*) [ -e ${folder}/cut ] || { : >${folder}/cut; exit 255; } ;; *) cat >/dev/null ;; esac`,
  );
  assert.equal((await applyOn('box', wanted)).result, 'applied');
  const confirmations = (await log()).filter((line) => line.includes('--confirm'));
  assert.equal(confirmations.length, 2);
  assert.equal(new Set(confirmations).size, 1);
});

test('an answer that is not a plan is a failure of that machine', async () => {
  await ssh('case "$command" in *--plan*) echo Welcome ;; *) cat >/dev/null ;; esac');
  await assert.rejects(planOn('box', wanted), (error) => {
    assert.ok(error instanceof Failure);
    assert.match(error.message, /the plan cannot be read: "Welcome\\n"/);
    return true;
  });
});

test('a box that goes back at the moment of the confirmation is asked again', async () => {
  await ssh(
    `case "$command" in *systemd-run*) echo '{"result":"waits for confirmation","troubles":[]}' ;; *--confirm*) [ -e ${folder}/free ] || { : >${folder}/free; exit 75; } ;; *) cat >/dev/null ;; esac`,
  );
  assert.equal((await applyOn('box', wanted)).result, 'applied');
});

test('losses of the box, and a box of an older release, are reported', async () => {
  await ssh(
    `case "$command" in *systemd-run*) echo '{"result":"went back","troubles":["a.service has failed"]}'; exit 1 ;; *) cat >/dev/null ;; esac`,
  );
  assert.deepEqual(await applyOn('box', wanted), {
    host: 'box',
    result: 'went back',
    troubles: ['a.service has failed'],
  });
  await ssh(
    'case "$command" in *draisine*--plan*) echo "draisine: not found" >&2; exit 127 ;; *) cat >/dev/null ;; esac',
  );
  await assert.rejects(planOn('box', wanted), (error) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.where, 'box');
    assert.match(error.hint ?? '', /update the machine first/);
    return true;
  });
});

test('destinations, times, configs with parts to fetch', () => {
  const destinations = {
    box: 'root@box',
    'me@box': 'me@box',
    'ssh://box:2222/': '-p 2222 root@box',
    'ssh://me@[::1]:2222': '-p 2222 me@::1',
    'box:2222': '-p 2222 root@box',
    'me@[fd00::2]:22': '-p 22 me@fd00::2',
    '[fe80::1%eth0]': 'root@fe80::1%eth0',
    '2001:db8::22': 'root@2001:db8::22',
    'ssh://domain%5Cme@box': 'domain\\me@box',
  };
  for (const [host, words] of Object.entries(destinations)) assert.equal(destination(host).join(' '), words);
  assert.deepEqual(['90', '90s', '2m', '1h'].map(parseSeconds), [90, 90, 120, 3600]);
  assert.throws(() => parseSeconds('5s'), /not a time/);
  const merge = { ignition: { config: { merge: [{ source: 'https://a' }] } } };
  assert.throws(() => checkWhole(merge, 'my.ign'), { where: 'my.ign' });
});

test('--json has the reasons for not changing anything', () => {
  const plan = { changes: ['~ /a'], diffs: {}, drift: [], refusals: [], left: [] };
  const drift = [
    { path: '/a', what: 'other text', conflict: true },
    { path: '/b', what: 'other text', conflict: false },
  ];
  const refusals = [{ what: 'pool tank has other disks', hint: 'zpool replace' }];
  const results = [
    { host: 'a', value: { ...plan, drift, refusals } },
    { host: 'b', failure: new Failure('no plan: no route to host') },
    { host: 'c', value: plan },
  ].map(unchanged);
  assert.deepEqual(
    results.map(({ troubles }) => troubles),
    [
      [
        'pool tank has other disks: zpool replace',
        'changed by hand, and the config changes it as well: /a: other text',
      ],
      ['no plan: no route to host'],
      ['nothing was changed, because of another machine'],
    ],
  );
});

test('--json shows the plan on stderr, because the question needs it; with --plan the document is the plan', () => {
  const value = { changes: ['~ /a'], diffs: {}, drift: [], refusals: [], left: [] };
  const shown = (options: { json?: boolean; plan?: boolean }) => {
    const said = { stdout: '', stderr: '' };
    const stream = (name: keyof typeof said) =>
      ({
        write: (text: string) => {
          said[name] += text;
        },
      }) as unknown as NodeJS.WriteStream;
    showPlans([{ host: 'a', value }], options, { stdout: stream('stdout'), stderr: stream('stderr') });
    return said;
  };
  const plan = 'a:\n  ~ /a\n';
  assert.deepEqual(shown({}), { stdout: plan, stderr: '' });
  assert.deepEqual(shown({ json: true }), { stdout: '', stderr: plan });
  assert.deepEqual(shown({ json: true, plan: true }), { stdout: '', stderr: '' });
});
