import { readFile, writeFile } from 'node:fs/promises';
import { entriesOf } from '../../build/debian/entries.ts';
import type { Package } from '../../build/debian/package.ts';
import { readTar } from '../../build/debian/tar.ts';
import { inSandbox } from '../../build/graph/in-sandbox.ts';
import { type Plain, recipe, source, type Target } from '../../build/graph/target.ts';
import type { Tree } from '../../build/tree/entry.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { canonicalJson, sha256 } from '../../sdk/lib/files.ts';
import type { ConfigGroup } from './config/group.ts';
import { checkSurvived, fragmentText, parseDeclared } from './kconfig.ts';
import { checkHardening } from './kspp.ts';

/** Approximate number of a kernel's objects. build.sh reports every fiftieth. */
const OBJECTS = 3200;

/** The tool trees for making a kernel. */
export interface KernelTools {
  /** The tool tree with gcc and make. */
  readonly compiler: Target;
  /** The tool tree with bwrap. */
  readonly sandbox: Target;
  /** The tool tree of the source package. */
  readonly source: Target;
}

/** A result of build.sh. All kernels of one source and compiler share a workspace. */
function built(
  name: string,
  { compiler, sandbox, source: linux }: KernelTools,
  step: string,
  mounts: Readonly<Record<string, Target>>,
): Target {
  return inSandbox(name, {
    sandbox,
    root: compiler,
    script: source('packages/kernel/build.sh'),
    argv: [step],
    mounts: { '/source': linux, ...mounts },
    kept: { name: 'linux', of: ['/source'] },
    steps: OBJECTS / 50,
  });
}

const fragment = recipe<{ groups: readonly Plain<ConfigGroup>[] }>({
  from: import.meta.url,
  kind: 'file',
  run: async ({ inputs, out }) => await writeFile(out, fragmentText(inputs.groups)),
});

const checkedConfig = recipe<{ groups: readonly Plain<ConfigGroup>[]; options: Target; config: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs: { groups, options, config }, out }) {
    const text = await readFile(config.path, 'utf8');
    checkSurvived(groups, text, parseDeclared(await readFile(options.path, 'utf8')));
    checkHardening(text);
    await writeFile(out, text);
  },
});

/**
 * Makes a kernel's whole configuration (.config) of the groups: the target `kernel-config-NAME`. It fails before
 * anything is compiled if Kconfig dropped a wanted option, or if a deviation from the recommended hardening has no
 * reason. The error names each.
 */
export function kernelConfig(
  name: string,
  tools: KernelTools,
  groups: readonly Plain<ConfigGroup>[],
): Target {
  return checkedConfig(`kernel-config-${name}`, {
    groups,
    options: built('kernel-options', tools, 'options', {}),
    config: built(`configure:kernel-${name}`, tools, 'config', {
      '/fragment': fragment(`kernel-fragment-${name}`, { groups }),
    }),
  });
}

const driversTree = recipe<{ drivers: Target; release: string }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out }) {
    const names = (await readFile(inputs.drivers.path, 'utf8')).trimEnd().split('\n');
    const list = names.map((name) => `kernel/${name}.ko\n`).join('');
    const tree: Tree = {
      entries: [
        {
          path: `usr/lib/modules/${inputs.release}/modules.builtin`,
          type: 'file',
          mode: 0o644,
          uid: 0,
          gid: 0,
          origin: 'recipe:kernel',
          content: { inline: list, encoding: 'utf8', size: Buffer.byteLength(list), sha256: sha256(list) },
        },
      ],
    };
    await writeFile(out, canonicalJson(tree));
  },
});

/**
 * The names of all drivers of a kernel with this configuration, built in or modules, without compiling it. The result
 * is a `Tree` with modules.builtin: the target `kernel-drivers-NAME`. Checks of machine configs use it. It is not for a
 * machine.
 */
export function kernelDrivers(name: string, tools: KernelTools, config: Target, release: string): Target {
  const drivers = built(`list:kernel-drivers-${name}`, tools, 'drivers', { '/config': config });
  return driversTree(`kernel-drivers-${name}`, { drivers, release });
}

const certificateFile = recipe<{ certificate: string }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs: { certificate }, out }) {
    if (certificate === '') {
      throw badInput('there is no key to sign kernel modules with', {
        hint: 'make one: ./draisine keys init',
      });
    }
    await writeFile(out, certificate);
  },
});

const asPackage = recipe<{ compiled: Target; name: string; version: string }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs: { compiled, name, version }, out }) {
    const entries = entriesOf(await readTar(compiled.path, name), compiled.digest, name);
    const built: Package = {
      name,
      version,
      architecture: 'amd64',
      fields: {},
      scripts: {},
      conffiles: [],
      entries: entries.map((entry) => ({ ...entry, origin: `recipe:${name}` })),
    };
    await writeFile(out, canonicalJson(built));
  },
});

/**
 * A kernel as a `Package`, with the paths of Debian's packages: the target `kernel-NAME`. It has boot/vmlinuz-RELEASE,
 * boot/config-RELEASE, the modules (stripped, not signed, not compressed), and the headers for out-of-tree modules in
 * usr/src/linux-headers-RELEASE. `certificate`: PEM; the kernel trusts modules that its key has signed.
 */
export function kernelBuild(
  name: string,
  tools: KernelTools,
  { config, certificate, version }: { config: Target; certificate: string; version: string },
): Target {
  const compiled = built(`compile:kernel-${name}`, tools, 'kernel', {
    '/config': config,
    '/certificate.pem': certificateFile(`kernel-certificate-${name}`, { certificate }),
  });
  return asPackage(`kernel-${name}`, { compiled, name: `linux-${name}`, version });
}
