import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { shellQuote } from '../../sdk/lib/shell.ts';
import { runSandboxed } from '../../sdk/sandbox.ts';
import { sdkTree } from './sdk.ts';

// The real bwrap of the tool tree, because runSandboxed has to recognize its message on a host that refuses.

/** A script that runs `true` in the sandbox and prints how it went. */
const SCRIPT = (tree: string) => `
  import { runSandboxed } from ${JSON.stringify(pathToFileURL(join(CHECKOUT, 'sdk/sandbox.ts')).href)};
  const tree = ${JSON.stringify(tree)};
  try {
    await runSandboxed(tree, { root: tree, argv: ['/usr/bin/true'] });
    console.log('ran');
  } catch (error) {
    console.log(error.message);
  }
`;

/** Runs a shell command in a user namespace that forbids further ones; undefined if this host cannot make one. */
function withoutNamespaces(t: TestContext, map: readonly string[], command: string): string | undefined {
  const script = `echo 0 >/proc/sys/user/max_user_namespaces || exit 77; exec ${command}`;
  const { error, status, stdout } = spawnSync(
    'unshare',
    ['--user', ...map, '--keep-caps', 'sh', '-c', script],
    { encoding: 'utf8' },
  );
  if (error === undefined && status === 0) return stdout.trim();
  t.skip('this host cannot make the user namespace the test needs');
  return undefined;
}

function nodeWith(tree: string): string {
  const loader = pathToFileURL(join(CHECKOUT, 'node_modules/tsx/dist/esm/index.mjs')).href;
  const args = ['--no-warnings', '--import', loader, '--input-type=module', '--eval', SCRIPT(tree)];
  return [process.execPath, ...args].map(shellQuote).join(' ');
}

test('the sandbox has the tree as its root, and shows nothing of this machine', async (t) => {
  if (spawnSync('unshare', ['--user', 'true']).status !== 0) return t.skip('no user namespaces here');
  const tree = await sdkTree('sdk-image');
  const look = 'echo /*; id -u; uname -n; env';
  process.env.LEAK = 'yes';
  try {
    const said = (await runSandboxed(tree, { root: tree, argv: ['/bin/sh', '-c', look] }))
      .toString()
      .trim()
      .split('\n');
    assert.deepEqual(said.slice(0, 3), ['/bin /dev /lib /lib64 /proc /sbin /tmp /usr', '0', 'draisine']);
    const variables = said
      .slice(3)
      .map((line) => line.split('=')[0] ?? '')
      .sort(byteOrder);
    assert.deepEqual(
      variables.filter((name) => name !== '_' && name !== 'OLDPWD'),
      ['HOME', 'LC_ALL', 'PATH', 'PWD', 'TZ'],
    );
  } finally {
    delete process.env.LEAK;
  }
});

test('a host that forbids user namespaces gives a user one clear error, and root can still build', async (t) => {
  const tree = await sdkTree('sdk-image');
  const drop = 'setpriv --ambient-caps=-all --inh-caps=-all';
  const asUser = withoutNamespaces(t, ['--map-user=1000', '--map-group=1000'], `${drop} ${nodeWith(tree)}`);
  if (asUser === undefined) return;
  assert.match(asUser, /^this host forbids user namespaces/);
  assert.equal(withoutNamespaces(t, ['--map-root-user'], nodeWith(tree)), 'ran');
});
