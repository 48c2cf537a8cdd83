import { readFile, writeFile } from 'node:fs/promises';
import { canonicalJson } from '../../sdk/lib/files.ts';
import { warn } from '../../sdk/lib/log.ts';
import { readPackage } from '../debian/package.ts';
import { checkScripts, readPolicy } from '../debian/scripts.ts';
import { type Plain, recipe, type Source, type Target } from '../graph/target.ts';
import { type BlobPath, openContents } from '../tree/content.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import { mergeLayers, type Settled } from '../tree/merge.ts';
import { readOverlay } from '../tree/overlay.ts';
import { type Trim, type TrimCount, trimTree } from '../tree/trim.ts';
import { type Accounts, accountFiles, checkAccounts, sysusersFile } from './accounts.ts';
import { checkEmulated } from './emulated.ts';
import {
  adjust,
  caBundle,
  type Fixups,
  links,
  onlyUsr,
  osRelease,
  unitLinks,
  varAsTmpfiles,
} from './fixups.ts';
import { generatedFile } from './generated.ts';

const SCRIPTS = 'packages/scripts.json';

/** The tree of an image, with counts of the trims. Paths are those of the running system: `usr/…`. */
export interface ImageTree extends Tree {
  readonly trims: readonly TrimCount[];
}

/** A folder that is laid over the packages, and the paths that it replaces. */
export interface Overlay {
  readonly name: string;
  readonly replaces: readonly string[];
}

/**
 * Packages, trims, overlays, fix-ups and modules become the tree of /usr, in this order. Output: `ImageTree`.
 * An unknown maintainer script, an account without a number or a path with two owners is an error.
 */
export const imageTree = recipe<{
  packages: readonly Target[];
  /** `Tree`: the kernel's modules. */
  modules: Target;
  /** `Tree`: the firmware that the modules ask for; at most one. */
  firmware: readonly Target[];
  /** The template of the kernel-argument addon, for installations; at most one. */
  kargs: readonly Target[];
  /** Files that recipes made, and their paths in the image, in the same order. */
  made: readonly Target[];
  madeAs: readonly { readonly path: string; readonly mode: number }[];
  /** root.json; empty if the image has none. */
  trust: string;
  overlays: readonly Plain<Overlay>[];
  /** A folder with the folders of `overlays`, in the same order, each below a folder of its own. */
  overlayRoot: Source;
  scripts: Source;
  trims: readonly Plain<Trim>[];
  settled: readonly Plain<Settled>[];
  accounts: Plain<Accounts>;
  fixups: Plain<Fixups>;
  identity: { readonly name: string; readonly version: string; readonly image: string };
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, blob }) {
    const { trims, fixups, identity, accounts } = inputs;
    const packages = await Promise.all(inputs.packages.map(({ path }) => readPackage(path)));
    const policy = readPolicy(await readFile(inputs.scripts.path, 'utf8'), SCRIPTS);
    const verdicts = checkScripts(packages, policy, SCRIPTS);

    const packaged = mergeLayers([{ packages, settled: inputs.settled }]);
    await withSysusers(packaged, blob, (declared, read) => {
      checkAccounts(declared, accounts, read);
      checkEmulated(packages, verdicts, accounts, read, SCRIPTS);
    });
    const trimmed = trimTree(packaged, trims);
    for (const warning of trimmed.warnings) warn(warning);

    const overlays: { overlay: string; entries: Entry[]; replaces: readonly string[] }[] = [];
    for (const { name, replaces } of inputs.overlays) {
      overlays.push({
        overlay: name,
        entries: await readOverlay(`${inputs.overlayRoot.path}/${name}`, name),
        replaces,
      });
    }
    const [modules = { entries: [] }] = await readTrees([inputs.modules]);
    const system = mergeLayers([
      { packages: [{ name: 'packages', entries: adjust(trimmed.tree, fixups).entries }] },
      ...overlays,
      { overlay: 'modules', entries: modules.entries },
      ...(await readTrees(inputs.firmware)).map(({ entries }) => ({ overlay: 'firmware', entries })),
    ]);

    const contents = await openContents(system, blob);
    let generated: Entry[];
    try {
      const files = new Map(system.entries.map((entry) => [entry.path, entry]));
      const read = (path: string) => {
        const entry = files.get(path);
        return entry?.type === 'file' ? contents.read(entry.content).toString('utf8') : '';
      };
      const release = osRelease(identity);
      generated = [
        ...accountFiles(accounts),
        sysusersFile(accounts),
        ...links(fixups.links),
        ...unitLinks(system, fixups),
        caBundle(system, read),
        varAsTmpfiles(system, read),
        generatedFile('usr/lib/os-release', release, 'os-release'),
        ...(await Promise.all(
          inputs.made.map(async ({ path: file }, index) => {
            const { path = '', mode = 0 } = inputs.madeAs[index] ?? {};
            return generatedFile(path, await readFile(file), 'made', { mode });
          }),
        )),
        ...(inputs.trust === ''
          ? []
          : [generatedFile('usr/share/draisine/root.json', inputs.trust, 'trust')]),
        ...(await Promise.all(inputs.kargs.map(({ path }) => readFile(path)))).map((addon) =>
          generatedFile('usr/lib/draisine/kargs.efi', addon, 'kargs'),
        ),
      ];
    } finally {
      contents.close();
    }
    const whole = mergeLayers([
      { packages: [{ name: 'system', entries: system.entries }] },
      {
        overlay: 'fix-ups',
        entries: generated,
        replaces: generated.map(({ path }) => path).filter((path) => path === 'usr/lib/os-release'),
      },
    ]);
    const { entries } = mergeLayers([{ packages: [{ name: 'image', entries: onlyUsr(whole).entries }] }]);
    await writeFile(out, canonicalJson({ entries, trims: trimmed.counts } satisfies ImageTree));
  },
});

async function readTrees(trees: readonly { readonly path: string }[]): Promise<Tree[]> {
  return await Promise.all(trees.map(async ({ path }) => JSON.parse(await readFile(path, 'utf8')) as Tree));
}

/** Checks the accounts that packages declare. It runs before the trims, which may remove the files that declare them. */
async function withSysusers(
  packaged: Tree,
  blob: BlobPath,
  check: (declared: Tree, read: (path: string) => string) => void,
): Promise<void> {
  const declared = {
    entries: packaged.entries.filter(({ path }) => path.startsWith('usr/lib/sysusers.d/')),
  };
  const contents = await openContents(declared, blob);
  try {
    const files = new Map(declared.entries.map((entry) => [entry.path, entry]));
    check(declared, (path) => {
      const entry = files.get(path);
      return entry?.type === 'file' ? contents.read(entry.content).toString('utf8') : '';
    });
  } finally {
    contents.close();
  }
}
