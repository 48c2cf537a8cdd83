import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setQuiet } from '../../sdk/lib/log.ts';
import { makeGraph } from '../graph/graph.ts';
import { buildTargets } from '../graph/run.ts';
import { smallTargets } from './testing/small-targets.ts';

setQuiet(true);
const root = fileURLToPath(new URL('../../', import.meta.url));
const NOBODY = 65534;
let folder: string;
let mirror: { url: string; close(): void };

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-twice-'));
  await chmod(folder, 0o755);
  mirror = await localMirror();
});

after(async () => {
  mirror?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Serves the .debs from this machine's store. So a build with an empty store needs no network. */
async function localMirror(): Promise<{ url: string; close(): void }> {
  const { artifacts } = await smallTargets();
  const debs = makeGraph(Object.values(artifacts)).nodes.flatMap(({ target }) =>
    target.recipe.fetch ? [target] : [],
  );
  const fetched = await buildTargets(debs);
  const files = new Map<string, string>();
  for (const target of debs) files.set(String(target.inputs.path), fetched.get(target.name)?.path ?? '');
  const server = createServer((request, response) => {
    const wanted = decodeURIComponent(request.url ?? '');
    const path = [...files].find(([pool]) => wanted.endsWith(`/${pool}`))?.[1];
    if (path === undefined) {
      response.writeHead(404).end();
      return;
    }
    createReadStream(path).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

interface Surroundings {
  readonly name: string;
  readonly umask: string;
  readonly jobs: number;
  readonly uid?: number;
  readonly env: Record<string, string>;
}

/** Builds the small image with an empty store in the given surroundings; the digests of its outputs by name. */
async function build({ name, umask, jobs, uid, env }: Surroundings): Promise<Record<string, string>> {
  const home = join(folder, name);
  await mkdir(home);
  if (uid !== undefined) await chown(home, uid, uid);
  const loader = join(root, 'node_modules/tsx/dist/esm/index.mjs');
  const script = join(root, 'build/image/testing/build-small.ts');
  const child = spawn(
    '/bin/sh',
    [
      '-c',
      `umask ${umask}; exec "$@"`,
      'sh',
      process.execPath,
      '--no-warnings',
      '--import',
      `file://${loader}`,
      script,
    ],
    {
      cwd: home,
      ...(uid === undefined ? {} : { uid, gid: uid }),
      env: {
        PATH: process.env.PATH,
        HOME: home,
        DRAISINE_CACHE: join(home, 'cache'),
        DRAISINE_MIRROR: `${mirror.url}/debian ${mirror.url}/debian-security`,
        TEST_JOBS: String(jobs),
        ...env,
      },
    },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, stderr);
  await rm(home, { recursive: true, force: true });
  return JSON.parse(stdout) as Record<string, string>;
}

/** True if another user can read the checkout and run this Node. */
async function readableByOthers(): Promise<boolean> {
  for (let path = root; path !== '/'; path = join(path, '..'))
    if (((await stat(path)).mode & 0o001) === 0) return false;
  for (let path = process.execPath; path !== '/'; path = join(path, '..'))
    if (((await stat(path)).mode & 0o001) === 0) return false;
  return true;
}

test('a build from an empty store in other surroundings gives the bytes of this store for every artifact', async (t) => {
  // The store of this machine has the artifacts of the same inputs, made here: by this run or by an earlier one.
  const { artifacts, tree, rootHash } = await smallTargets();
  const outputs = await buildTargets([...Object.values(artifacts), tree, rootHash]);
  const first = Object.fromEntries([...outputs].map(([name, { digest }]) => [name, digest]));
  assert.ok(Object.keys(first).some((name) => name.endsWith(':disk.zst')));
  const otherUser = process.getuid?.() === 0 && (await readableByOthers());
  if (!otherUser)
    t.diagnostic('not root, or other users cannot read the checkout: both builds ran as this user');
  const second = await build({
    name: 'another-home',
    umask: '077',
    jobs: 1,
    ...(otherUser ? { uid: NOBODY } : {}),
    env: {
      TZ: 'Asia/Kathmandu',
      LANG: 'tr_TR.UTF-8',
      LC_ALL: 'tr_TR.UTF-8',
      USER: 'nobody',
      HOSTNAME: 'elsewhere',
      EXTRA: 'yes',
    },
  });
  assert.deepEqual(second, first);
});
