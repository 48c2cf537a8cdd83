import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { toolCommand } from '../../sdk/tool.ts';
import { temporaryFolder } from '../graph/testing.ts';
import { sdkTree } from '../image/sdk.ts';

/*
 * The pipelines of docs/ci/, run as they stand: in a clone of this repository, with an image of a few packages, nginx
 * and a git server of its own. Not run are the VM tests, of which results are handed over, and `lock --update`, in
 * whose place the lock is touched.
 */

const TINY = `import { small } from '../image/testing/small.ts';
export default { ...small, name: 'tiny' };
`;

/** A git repository with this checkout as it is, and the image `tiny`; its origin is a bare one. */
function cloneCheckout(folder: string): string {
  const work = join(folder, 'work');
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: CHECKOUT });
  for (const file of list.toString().split('\0').filter(Boolean)) {
    if (!existsSync(join(CHECKOUT, file))) continue;
    mkdirSync(dirname(join(work, file)), { recursive: true });
    cpSync(join(CHECKOUT, file), join(work, file));
  }
  mkdirSync(join(work, 'images/tiny'));
  writeFileSync(join(work, 'images/tiny/image.ts'), TINY);
  // A folder of its own: the bundle of a checkout's sources is kept there.
  mkdirSync(join(work, 'node_modules'));
  for (const name of readdirSync(join(CHECKOUT, 'node_modules')))
    if (name !== '.draisine' && name !== '.draisine-installed')
      symlinkSync(join(CHECKOUT, 'node_modules', name), join(work, 'node_modules', name));
  cpSync(join(work, 'package-lock.json'), join(work, 'node_modules/.draisine-installed'));
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: work });
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('commit', '-qm', 'all');
  git('config', 'user.name', 't');
  git('config', 'user.email', 't@example.org');
  execFileSync('git', ['init', '-q', '--bare', join(folder, 'origin.git')]);
  git('remote', 'add', 'origin', join(folder, 'origin.git'));
  git('push', '-q', 'origin', 'main');
  return work;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

/** nginx: `base` to be read, `store` to be written to as well. Its address. */
async function startNginx(t: TestContext, folder: string, base: string): Promise<string> {
  const port = await freePort();
  const store = join(folder, 'store');
  for (const name of ['store', 'nginx']) mkdirSync(join(folder, name));
  const config = join(folder, 'nginx.conf');
  const own = join(folder, 'nginx');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${own}/${name};`)
    .join(' ');
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${own}/pid; error_log stderr;
events {}
http { access_log ${own}/access; ${temporary} client_max_body_size 0; log_not_found off;
  server { listen 127.0.0.1:${port};
    location /base/ { alias ${base}/; }
    location /store/ { alias ${store}/; dav_methods PUT; create_full_put_path on; }
  } }`,
  );
  const { file, args, env } = toolCommand(await sdkTree('sdk-web'), 'nginx', ['-c', config, '-p', own]);
  const server: ChildProcess = spawn(file, args, { env, stdio: 'inherit' });
  t.after(() => server.kill());
  for (let tries = 0; tries < 100; tries++) {
    if (
      await fetch(`http://127.0.0.1:${port}/base/`).then(
        () => true,
        () => false,
      )
    )
      break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return `http://127.0.0.1:${port}`;
}

interface Step {
  readonly run?: string;
  readonly 'continue-on-error'?: boolean;
}

/** The commands of a pipeline, by job. */
function githubSteps(): Map<string, Step[]> {
  const text = readFileSync(join(CHECKOUT, 'docs/ci/github.yml'), 'utf8');
  const { jobs } = parse(text) as { jobs: Record<string, { steps: Step[] }> };
  return new Map(Object.entries(jobs).map(([name, { steps }]) => [name, steps.filter(({ run }) => run)]));
}

function gitlabScripts(): Map<string, string[]> {
  const text = readFileSync(join(CHECKOUT, 'docs/ci/gitlab.yml'), 'utf8');
  const jobs = parse(text) as Record<string, { script?: string[] }>;
  return new Map(Object.entries(jobs).flatMap(([name, { script }]) => (script ? [[name, script]] : [])));
}

function systemdCommands(): string[] {
  const text = readFileSync(join(CHECKOUT, 'docs/ci/draisine-channel.service'), 'utf8');
  return [...text.matchAll(/^ExecStart=-?\/srv\/draisine\/draisine (.*)$/gm)].map(([, args]) =>
    `./draisine ${args}`.replace(/\$\{BASE\}/, '"$BASE"'),
  );
}

/** A command without what differs between the services: variables, and how a failure is tolerated. */
function essence(command: string): string {
  return command
    .replace(/ \|\| true$/, '')
    .replace(/"?\$\{\{ matrix\.shard \}\}|\$CI_NODE_INDEX/g, 'I')
    .replace(/\/4|\/\$CI_NODE_TOTAL/g, '/N')
    .replace(/"/g, '')
    .replace(/(results\/\*|out\/report-\*)\//, 'RESULTS/');
}

test('the pipelines of all three services do the same, and only call ./draisine and git', () => {
  const github = githubSteps();
  for (const [name, script] of gitlabScripts()) {
    const same = (github.get(name) ?? []).map(({ run }) => essence(run ?? ''));
    const own = script.map(essence);
    const gitOf = (lines: string[]) => lines.filter((line) => !line.startsWith('git '));
    assert.deepEqual(gitOf(own), gitOf(same), name);
    for (const line of own) assert.match(line, /^(\.\/draisine|git) /);
  }
  assert.deepEqual(
    systemdCommands().map(essence),
    (github.get('nightly') ?? []).map(({ run }) => essence(run ?? '')),
  );
});

/** Hands over what `kola run` would have left: results of tests of the very files of the release. */
function writeResults(work: string): void {
  const [{ folder }] = JSON.parse(readFileSync(join(work, 'release.json'), 'utf8')) as [{ folder: string }];
  const { name, version, artifacts } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
    name: string;
    version: string;
    artifacts: { path: string; sha256: string }[];
  };
  const digests = Object.fromEntries(artifacts.map(({ path, sha256 }) => [path, sha256]));
  for (let shard = 1; shard <= 4; shard++) {
    const results = [{ test: `a.${shard}`, passed: true }];
    const run = { image: name, version, complete: true, shard: `${shard}/4`, artifacts: digests, results };
    mkdirSync(join(work, 'results', `results-${shard}`), { recursive: true });
    writeFileSync(join(work, 'results', `results-${shard}`, 'results.json'), JSON.stringify(run));
  }
}

test('the pipeline for GitHub, step by step, against nginx and a git server', async (t) => {
  const folder = await temporaryFolder(t);
  const work = cloneCheckout(folder);
  const base = join(folder, 'base');
  mkdirSync(base);
  const url = await startNginx(t, folder, base);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  // GitHub's own program, which talks to GitHub: here it keeps what it is told.
  writeFileSync(join(bin, 'gh'), `#!/bin/sh\nprintf '%s\\n' "$@" > "${folder}/gh"\n`);
  chmodSync(join(bin, 'gh'), 0o755);
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    ...{ IMAGE: 'tiny', BASE: base, DRAISINE_KEYS: join(folder, 'keys'), DRAISINE_REMOTE: `${url}/store` },
    PATH: `${bin}:${process.env.PATH}`,
  };
  const run = (command: string, more: NodeJS.ProcessEnv = {}) => {
    const { status, stdout, stderr } = spawnSync('bash', ['-ec', command], {
      cwd: work,
      env: { ...environment, ...more },
      encoding: 'utf8',
    });
    return { status, stdout, said: `$ ${command}\n${stdout}${stderr}` };
  };
  const must = (command: string, more: NodeJS.ProcessEnv = {}) => {
    const { status, stdout, said } = run(command, more);
    assert.equal(status, 0, said);
    return stdout;
  };
  must('./draisine keys init');
  must(`ssh-keygen -q -t ed25519 -N '' -f "$DRAISINE_KEYS/store"`);
  must('./draisine channel init "$BASE" tiny');

  let version: NodeJS.ProcessEnv = {};
  for (const [job, steps] of githubSteps()) {
    for (const { run: command = '', 'continue-on-error': tolerated } of steps) {
      if (command.includes('test --all')) continue;
      if (command.includes('release report')) writeResults(work);
      if (command === './draisine lock --update') {
        writeFileSync(
          join(work, 'packages/lock.json'),
          `${readFileSync(join(work, 'packages/lock.json'), 'utf8')}\n`,
        );
        version = { DRAISINE_VERSION: '2099.101.0' };
        continue;
      }
      // Not the store of whoever runs the tests.
      const own = command.includes('clean') ? { DRAISINE_CACHE: join(folder, 'cache') } : {};
      const { status, said } = run(command, { ...version, ...own });
      if (tolerated) assert.ok(status === 1 || status === 2, `${job}: it is too early\n${said}`);
      else assert.equal(status, 0, `${job}: ${said}`);
    }
  }
  const shown = JSON.parse(must(`./draisine channel show ${url}/base --image tiny --json`)) as {
    channel: string;
    version?: string;
  }[];
  const alpha = shown.find(({ channel }) => channel === 'alpha')?.version;
  assert.match(alpha ?? '', /^2026\./);
  must(`./draisine release verify ${url}/base/tiny/releases/${alpha}`);
  assert.ok(readdirSync(join(folder, 'store/blobs')).length > 0, 'the remote store was filled');
  const branch = execFileSync('git', ['branch', '--list', 'lock-*'], { cwd: join(folder, 'origin.git') });
  assert.match(branch.toString(), /lock-\d{4}-\d\d-\d\d/);
  assert.match(readFileSync(join(folder, 'gh'), 'utf8'), /^pr\ncreate\n--fill\n--body-file\nnotes\.md\n$/);
  assert.match(readFileSync(join(work, 'notes.md'), 'utf8'), /^# tiny 2026\.\S+ → 2099\.101\.0\n/);
});
