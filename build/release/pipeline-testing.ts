import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
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
import type { TestContext } from 'node:test';
import { parse } from 'yaml';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { toolCommand } from '../../sdk/tool.ts';
import { temporaryFolder } from '../graph/testing.ts';
import { sdkTree } from '../image/sdk.ts';

/*
 * Runs the pipelines of docs/ci/ unchanged, in a clone of this repository, with an image of a few packages, nginx and a git server. `test --all` is given a pattern, so that one unit test runs and no VM test; results of VM tests are prepared. `lock --update` is not run: the lock is edited instead.
 */

const TINY = `import { small } from '../../build/image/testing/small.ts';
export default { ...small, name: 'tiny' };
`;

/**
 * Makes a git repository with the present files of this checkout and the image `tiny`. Its origin is a bare repository.
 */
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
  const origin = join(folder, 'origin.git');
  execFileSync('git', ['init', '-q', '--bare', origin]);
  execFileSync('git', ['config', 'receive.advertisePushOptions', 'true'], { cwd: origin });
  writeFileSync(join(origin, 'hooks/post-receive'), '#!/bin/sh\necho "$GIT_PUSH_OPTION_0" > push-option\n', {
    mode: 0o755,
  });
  git('remote', 'add', 'origin', origin);
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

/** Starts nginx with `base` for reading, and `store` for reading and writing. Returns its address. */
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

/** A command of a pipeline. */
export interface Step {
  readonly job: string;
  readonly command: string;
  /** True if the pipeline continues after its failure. */
  readonly tolerated: boolean;
}

function fileOf(name: string): string {
  return readFileSync(join(CHECKOUT, 'docs/ci', name), 'utf8');
}

/** The commands of docs/ci/github.yml, in their order; the matrix has its first value. */
export function githubSteps(): Step[] {
  const { jobs } = parse(fileOf('github.yml')) as {
    jobs: Record<string, { steps: { run?: string; 'continue-on-error'?: boolean }[] }>;
  };
  return Object.entries(jobs).flatMap(([job, { steps }]) =>
    steps.flatMap(({ run, 'continue-on-error': tolerated = false }) =>
      run === undefined ? [] : [{ job, command: run.replace(/\$\{\{ matrix\.shard \}\}/g, '1'), tolerated }],
    ),
  );
}

/** The commands of docs/ci/gitlab.yml, in their order. */
export function gitlabSteps(): Step[] {
  const jobs = parse(fileOf('gitlab.yml')) as Record<string, { script?: string[] }>;
  return Object.entries(jobs).flatMap(([job, { script = [] }]) =>
    script.map((line) => ({
      job,
      command: line.replace(/ \|\| true$/, ''),
      tolerated: / \|\| true$/.test(line),
    })),
  );
}

/** The commands of docs/ci/draisine-channel.service, in their order. */
export function systemdSteps(): Step[] {
  const lines = [
    ...fileOf('draisine-channel.service').matchAll(/^ExecStart=(-?)\/srv\/draisine\/draisine (.*)$/gm),
  ];
  return lines.map(([, dash, args]) => ({
    ...{ job: 'nightly', command: `./draisine ${args}`, tolerated: dash === '-' },
  }));
}

/** A machine of a pipeline: its clone, the folder that is served, and how a command runs there. */
export interface Runner {
  readonly work: string;
  readonly base: string;
  readonly url: string;
  readonly origin: string;
  /** The arguments of the calls of GitHub's own program. */
  readonly gh: string;
  run(command: string, more?: NodeJS.ProcessEnv): { status: number | null; stdout: string; said: string };
  /** Runs a command that must not fail. Returns its output. */
  must(command: string, more?: NodeJS.ProcessEnv): string;
}

/** Makes a clone, starts nginx and makes keys and a channel, as docs/ci.md says. All of it ends with the test. */
export async function startRunner(t: TestContext): Promise<Runner> {
  const folder = await temporaryFolder(t);
  const work = cloneCheckout(folder);
  const base = join(folder, 'base');
  mkdirSync(base);
  const url = await startNginx(t, folder, base);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  // A fake of GitHub's own program: it records its arguments.
  writeFileSync(join(bin, 'gh'), `#!/bin/sh\nprintf '%s\\n' "$@" > "${folder}/gh"\n`, { mode: 0o755 });
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    ...{ IMAGE: 'tiny', BASE: base, DRAISINE_KEYS: join(folder, 'keys'), DRAISINE_REMOTE: `${url}/store` },
    ...{ CI_NODE_INDEX: '1', CI_NODE_TOTAL: '4', PATH: `${bin}:${process.env.PATH}` },
  };
  // Or node:test takes `./draisine test` for a test file of its own.
  delete environment.NODE_TEST_CONTEXT;
  const run: Runner['run'] = (command, more = {}) => {
    const { status, stdout, stderr } = spawnSync('bash', ['-ec', command], {
      cwd: work,
      env: { ...environment, ...more },
      encoding: 'utf8',
    });
    return { status, stdout, said: `$ ${command}\n${stdout}${stderr}` };
  };
  const must: Runner['must'] = (command, more) => {
    const { status, stdout, said } = run(command, more);
    assert.equal(status, 0, said);
    return stdout;
  };
  must('./draisine keys init');
  must(`ssh-keygen -q -t ed25519 -N '' -f "$DRAISINE_KEYS/store"`);
  must('./draisine channel init "$BASE" tiny');
  return { ...{ work, base, url, run, must }, origin: join(folder, 'origin.git'), gh: join(folder, 'gh') };
}

/**
 * Writes results of VM tests, in four shards, to the folders from which the pipeline collects them. They name the files
 * of the release.
 */
export function writeResults(work: string, folderOf: (shard: number) => string): void {
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
    mkdirSync(join(work, folderOf(shard)), { recursive: true });
    writeFileSync(join(work, folderOf(shard), 'results.json'), JSON.stringify(run));
  }
}

/** Runs the steps in their order. `folderOf`: where the pipeline finds the results of a shard. */
export function runSteps(
  { work, run }: Runner,
  steps: readonly Step[],
  folderOf: (shard: number) => string = () => '',
): void {
  let version: NodeJS.ProcessEnv = {};
  for (const { job, command, tolerated } of steps) {
    if (command.includes('release report')) writeResults(work, folderOf);
    if (command === './draisine lock --update') {
      const lock = join(work, 'packages/lock.json');
      writeFileSync(lock, `${readFileSync(lock, 'utf8')}\n`);
      version = { DRAISINE_VERSION: '2099.101.0' };
      continue;
    }
    // Not the store of the user who runs the tests.
    const own = command.includes('clean') ? { DRAISINE_CACHE: join(work, '../cache') } : {};
    const short = command.includes('test --all') ? `${command} ${ONE_TEST}` : command;
    const { status, said } = run(short, { ...version, ...own });
    if (tolerated) assert.ok(status === 1 || status === 2, `${job}: it is too early\n${said}`);
    else assert.equal(status, 0, `${job}: ${said}`);
  }
}

/** A unit test that takes a moment. No VM test has such a name. */
const ONE_TEST = 'sdk/lib/near';

/** The lowest channel serves a whole, signed release; the remote store is filled; a change is proposed as a branch. */
export function checkPublished({ work, url, origin, must, base }: Runner): void {
  const shown = JSON.parse(must(`./draisine channel show ${url}/base --image tiny --json`)) as {
    channel: string;
    version?: string;
  }[];
  const alpha = shown.find(({ channel }) => channel === 'alpha')?.version;
  assert.match(alpha ?? '', /^2026\./);
  must(`./draisine release verify ${url}/base/tiny/releases/${alpha}`);
  const { complete } = JSON.parse(
    (
      JSON.parse(readFileSync(join(base, `tiny/releases/${alpha}/report/report.json`), 'utf8')) as {
        signed: string;
      }
    ).signed,
  ) as { complete: boolean };
  assert.equal(complete, true, 'the four shards together are all tests');
  assert.ok(readdirSync(join(work, '../store/blobs')).length > 0, 'the remote store was filled');
  const branch = execFileSync('git', ['branch', '--list', 'lock-*'], { cwd: origin });
  assert.match(branch.toString(), /lock-\d{4}-\d\d-\d\d/);
  assert.match(readFileSync(join(work, 'notes.md'), 'utf8'), /^# tiny 2026\.\S+ → 2099\.101\.0\n/);
}
