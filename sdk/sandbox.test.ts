import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Failure } from './lib/errors.ts';
import { runSandboxed, sandboxCommand } from './sandbox.ts';
import { fakeTree } from './testing.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-sandbox-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Runs in a sandbox whose bwrap is a script. */
async function withBwrap(body: string): Promise<Buffer> {
  const root = await fakeTree(await mkdtemp(join(folder, 'tree-')), { bwrap: body });
  const binds = [{ from: '/a', to: '/b', writable: true }];
  return await runSandboxed(root, { root: '/tree', argv: ['/bin/make', 'all'], binds });
}

test('the command has the tree, the binds and the program, and nothing of this machine', async () => {
  const root = await fakeTree(join(folder, 'one'), { bwrap: '' });
  const { args } = sandboxCommand(root, {
    root: '/tree',
    argv: ['/bin/sh', '-c', 'x'],
    binds: [{ from: '/a', to: '/b' }],
    cwd: '/b',
    env: { JOBS: '4' },
  });
  const text = args.join(' ');
  for (const part of [
    '--unshare-all',
    '--clearenv',
    '--ro-bind /tree/usr /usr',
    '--ro-bind /a /b',
    '--chdir /b',
    '--setenv JOBS 4',
  ])
    assert.ok(text.includes(part), part);
  assert.ok(text.endsWith('-- /bin/sh -c x'));
});

const REFUSALS = [
  'bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user namespaces.',
  'bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)',
  'bwrap: Creating new namespace failed: Operation not permitted',
  'bwrap: setting up uid map: Permission denied',
];
for (const refusal of REFUSALS) {
  test(`a host that forbids user namespaces gets an error that says so: ${refusal.slice(7, 50)}…`, async () => {
    await assert.rejects(withBwrap(`echo '${refusal}' >&2; exit 1`), (error) => {
      assert.ok(error instanceof Failure);
      assert.match(error.message, /^this host forbids user namespaces/);
      assert.match(error.hint ?? '', /sysctl .*user\.max_user_namespaces/);
      assert.ok(error.cause instanceof Failure && error.cause.message.includes(refusal));
      return true;
    });
  });
}

test('an error inside is reported unchanged, with the name of the program', async () => {
  await assert.rejects(withBwrap('echo "no rule to make all" >&2; exit 2'), (error) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.message, '/bin/make failed (exit 2)\nno rule to make all');
    return true;
  });
});
