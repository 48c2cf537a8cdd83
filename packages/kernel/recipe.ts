import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { entriesOf } from '../../build/debian/entries.ts';
import type { Package } from '../../build/debian/package.ts';
import { readTar } from '../../build/debian/tar.ts';
import { type Context, type Plain, recipe, type Source, type Target } from '../../build/graph/target.ts';
import type { Tree } from '../../build/tree/entry.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { canonicalJson, sha256 } from '../../sdk/lib/files.ts';
import { type Bind, runSandboxed } from '../../sdk/sandbox.ts';
import type { ConfigGroup } from './config/group.ts';
import { checkSurvived, fragmentText, parseDeclared } from './kconfig.ts';
import { checkHardening } from './kspp.ts';

/** Objects of a kernel, roughly: for the progress bar. */
const OBJECTS = 3200;

type Tools = {
  /** The tool tree with gcc and make. */
  readonly compiler: Target;
  /** The one with bwrap. */
  readonly sandbox: Target;
  /** The tool tree of the source package. */
  readonly source: Target;
  /** build.sh */
  readonly script: Source;
};

/**
 * A kernel's whole configuration (.config) out of the groups. Fails, naming each, when a wanted option did not survive
 * Kconfig, or when it deviates from the hardening that is recommended without saying why: long before anything is
 * compiled.
 */
export const kernelConfig = recipe<Tools & { groups: readonly Plain<ConfigGroup>[] }>({
  from: import.meta.url,
  kind: 'file',
  async run(context) {
    const { inputs, scratch, out } = context;
    const fragment = join(scratch, 'fragment');
    await writeFile(fragment, fragmentText(inputs.groups));
    await runBuild(context, ['config', '/fragment'], [{ from: fragment, to: '/fragment' }]);
    const config = await readFile(join(scratch, 'out/config'), 'utf8');
    const declared = parseDeclared(await readFile(join(scratch, 'out/declared'), 'utf8'));
    checkSurvived(inputs.groups, config, declared);
    checkHardening(config);
    await writeFile(out, config);
  },
});

/**
 * What a kernel of this configuration will have, before it is compiled: modules.builtin with the names of all drivers,
 * built in or not, as a `Tree`. For looking at (what machine configs are checked against), not for a machine.
 */
export const kernelDrivers = recipe<Tools & { config: Target; release: string }>({
  from: import.meta.url,
  kind: 'file',
  async run(context) {
    const { inputs, scratch, out } = context;
    await runBuild(context, ['drivers', '/config'], [{ from: inputs.config.path, to: '/config' }]);
    const names = (await readFile(join(scratch, 'out/drivers'), 'utf8')).trimEnd().split('\n');
    const list = names.map((name) => `kernel/${name}.ko\n`).join('');
    const content = {
      inline: list,
      encoding: 'utf8',
      size: Buffer.byteLength(list),
      sha256: sha256(list),
    } as const;
    const path = `usr/lib/modules/${inputs.release}/modules.builtin`;
    const entry = {
      path,
      type: 'file',
      mode: 0o644,
      uid: 0,
      gid: 0,
      origin: 'recipe:kernel',
      content,
    } as const;
    await writeFile(out, canonicalJson({ entries: [entry] } satisfies Tree));
  },
});

/**
 * A kernel as a `Package`, as if it had come from Debian: boot/vmlinuz-RELEASE, boot/config-RELEASE, its modules
 * (stripped, not signed, not compressed), and in usr/src/linux-headers-RELEASE what out-of-tree modules are built with.
 * `certificate`: PEM; the kernel trusts modules that its key has signed.
 */
export const kernelBuild = recipe<
  Tools & { config: Target; certificate: string; name: string; version: string }
>({
  from: import.meta.url,
  kind: 'file',
  parallel: true,
  async run(context) {
    const { inputs, scratch, out, jobs, add } = context;
    const { name, version } = inputs;
    if (inputs.certificate === '') {
      throw badInput('there is no key to sign kernel modules with', {
        hint: 'make one: ./draisine keys init',
      });
    }
    const certificate = join(scratch, 'certificate.pem');
    await writeFile(certificate, inputs.certificate);
    await runBuild(
      context,
      ['kernel', '/config', String(jobs)],
      [
        { from: inputs.config.path, to: '/config' },
        { from: certificate, to: '/certificate.pem' },
      ],
    );
    const tar = join(scratch, 'out/kernel.tar');
    const members = await readTar(tar, name);
    const blob = await add({ path: tar });
    const built: Package = {
      name,
      version,
      architecture: 'amd64',
      fields: {},
      scripts: {},
      conffiles: [],
      entries: entriesOf(members, blob, name).map((entry) => ({ ...entry, origin: `recipe:${name}` })),
    };
    await writeFile(out, canonicalJson(built));
  },
});

/** Runs build.sh in the sandbox, in a workspace that all kernels of one source and compiler share. */
async function runBuild(
  { inputs, scratch, workspace, signal, progress }: Context<Tools>,
  args: readonly string[],
  binds: readonly Bind[],
): Promise<void> {
  const results = join(scratch, 'out');
  await mkdir(results);
  const { compiler, sandbox, source, script } = inputs;
  const kept = await workspace(`linux ${source.digest} ${compiler.digest}`);
  let said = 0;
  await runSandboxed(
    sandbox.path,
    compiler.path,
    ['/bin/bash', '/build.sh', ...args],
    [
      { from: kept, to: '/build', writable: true },
      { from: results, to: '/out', writable: true },
      { from: source.path, to: '/source' },
      { from: script.path, to: '/build.sh' },
      ...binds,
    ],
    { signal, onStderr: (text) => progress(++said, OBJECTS / 50, text.trim().split('\n').at(-1)) },
  );
}
