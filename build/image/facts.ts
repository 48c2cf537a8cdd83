import { readFile, writeFile } from 'node:fs/promises';
import { byteOrder } from '../../sdk/lib/files.ts';
import { recipe, type Target } from '../graph/target.ts';
import { openContents } from '../tree/content.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import {
  isKernelConfig,
  isPasswd,
  listenersOf,
  parseKernelConfig,
  parsePasswd,
  privilegedOf,
  unitsOf,
} from '../tree/facts.ts';

type File = Extract<Entry, { type: 'file' }>;
type Table = Readonly<Record<string, string>>;

/** The content of facts.json: facts from an image's tree that release notes compare and boxes ask for. */
export interface ImageFacts {
  /** The kernel release, as `uname -r` prints it; empty without a kernel. */
  readonly kernel: string;
  /** Pool features that the image's ZFS can read; undefined without ZFS. */
  readonly zfsFeatures?: readonly string[];
  /** Programs that run with other rights than their caller: path → mode, owner and capabilities. */
  readonly privileged: Table;
  readonly units: Table;
  readonly users: Table;
  readonly kernelConfig: Table;
  /** Sockets that systemd opens by itself: unit → addresses. */
  readonly listeners: Table;
}

/** Path of OpenZFS's list of features of one version (zpool-features(7), COMPATIBILITY). From 2.2 on it is one for all systems. */
const COMPATIBILITY = /^usr\/share\/zfs\/compatibility\.d\/openzfs-(\d+)\.(\d+)(?:-linux)?$/;

/** Of the paths of an image, that of the list of its newest OpenZFS version, which is the package's own. */
export function newestList(paths: readonly string[]): string | undefined {
  const lists = paths.flatMap((path) => {
    const [, major, minor] = COMPATIBILITY.exec(path) ?? [];
    return major === undefined ? [] : [{ path, rank: Number(major) * 1000 + Number(minor) }];
  });
  return lists.sort((a, b) => b.rank - a.rank)[0]?.path;
}

/** Pool features that the image's OpenZFS can read; undefined without a list. */
function newestFeatures(files: readonly File[], read: (file: File) => string): string[] | undefined {
  const path = newestList(files.map((file) => file.path));
  const newest = files.find((file) => file.path === path);
  if (newest === undefined) return undefined;
  const lines = read(newest).split('\n');
  return lines
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .sort(byteOrder);
}

/** Makes facts.json of an `ImageTree`. */
export const facts = recipe<{ tree: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, blob }) {
    const tree = JSON.parse(await readFile(inputs.tree.path, 'utf8')) as Tree;
    const wanted = (path: string) =>
      isPasswd(path) || isKernelConfig(path) || COMPATIBILITY.test(path) || path.endsWith('.socket');
    const files = tree.entries.filter((entry): entry is File => entry.type === 'file' && wanted(entry.path));
    const contents = await openContents({ entries: files }, blob);
    const read = (file: File) => contents.read(file.content).toString('utf8');
    try {
      const lines = (matches: (path: string) => boolean, parse: (text: string) => [string, string][]) =>
        tableOf(files.filter(({ path }) => matches(path)).flatMap((file) => parse(read(file))));
      const releases = tree.entries.flatMap(
        ({ path }) => /^usr\/lib\/modules\/([^/]+)$/.exec(path)?.[1] ?? [],
      );
      const zfsFeatures = newestFeatures(files, read);
      const made: ImageFacts = {
        kernel: releases.sort(byteOrder).at(-1) ?? '',
        ...(zfsFeatures ? { zfsFeatures } : {}),
        privileged: tableOf(privilegedOf(tree)),
        units: tableOf(unitsOf(tree)),
        users: lines(isPasswd, parsePasswd),
        kernelConfig: lines(isKernelConfig, parseKernelConfig),
        listeners: tableOf(listenersOf(tree, (file) => read(file))),
      };
      await writeFile(out, `${JSON.stringify(made, null, 1)}\n`);
    } finally {
      contents.close();
    }
  },
});

function tableOf(rows: Iterable<readonly [string, string]>): Table {
  return Object.fromEntries([...rows].sort(([a], [b]) => byteOrder(a, b)));
}
