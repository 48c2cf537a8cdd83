import { readFile, writeFile } from 'node:fs/promises';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, canonicalJson, sha256 } from '../../sdk/lib/files.ts';
import { readPackage } from '../debian/package.ts';
import { type Plain, recipe, type Target } from '../graph/target.ts';
import { openContents } from '../tree/content.ts';
import { treeToCpio } from '../tree/cpio.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import { compileGlobs } from '../tree/glob.ts';
import { indexTree, lookUp } from '../tree/lookup.ts';
import { readModInfo } from './modinfo.ts';

const FOLDER = 'usr/lib/firmware';
const WHERE = 'firmware of the image';

/**
 * The firmware that the modules of an image ask for (`firmware` in their .modinfo), out of packages. A file must match
 * one of the globs `only`, below /usr/lib/firmware. The licence of each package comes along, because the binaries must
 * not be distributed without it. A file that no package has is optional for its driver. Output: `Tree`.
 */
export const firmwareFiles = recipe<{
  modules: Target;
  packages: readonly Target[];
  only: readonly string[];
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, blob }) {
    const modules = JSON.parse(await readFile(inputs.modules.path, 'utf8')) as Tree;
    const packages = await Promise.all(inputs.packages.map(({ path }) => readPackage(path)));
    const index = indexTree({ entries: packages.flatMap(({ entries }) => entries) });
    const allowed = compileGlobs(inputs.only, WHERE);
    const contents = await openContents(modules, blob);
    const found = new Map<string, Entry>();
    try {
      for (const entry of modules.entries) {
        if (entry.type !== 'file' || !entry.path.endsWith('.ko')) continue;
        for (const name of readModInfo(contents.read(entry.content), entry.path).get('firmware') ?? []) {
          if (!allowed.test(name)) continue;
          const file = lookUp(index, `${FOLDER}/${name}`);
          for (const each of file ? [...file.links, file.entry] : []) found.set(each.path, each);
        }
      }
    } finally {
      contents.close();
    }
    const licences = packages.flatMap(({ name, entries }) =>
      entries.filter(({ path }) => path === `usr/share/doc/${name}/copyright`),
    );
    const entries = [...licences, ...found.values()].sort((a, b) => byteOrder(a.path, b.path));
    await writeFile(out, canonicalJson({ entries } satisfies Tree));
  },
});

/** Microcode of one vendor: the matching files of a package. */
export interface Microcode {
  /** The vendor string of CPUID. The kernel looks for a file of this name. */
  readonly vendor: 'GenuineIntel' | 'AuthenticAMD';
  /** Globs below /usr/lib/firmware. */
  readonly files: readonly string[];
}

/**
 * An initrd for the kernel's early microcode loader (Documentation/arch/x86/microcode.rst). It is not compressed. All
 * files of one vendor become one file. `packages` are in the order of `microcode`.
 */
export const microcodeInitrd = recipe<{
  packages: readonly Target[];
  microcode: readonly Plain<Microcode>[];
  epoch: number;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, blob }) {
    const files: Entry[] = [];
    for (const [position, { vendor, files: globs }] of inputs.microcode.entries()) {
      const { name, entries } = await readPackage(inputs.packages[position]!.path);
      const matches = compileGlobs(globs, WHERE);
      const parts = entries
        .filter((entry) => entry.type === 'file' && matches.test(entry.path.slice(FOLDER.length + 1)))
        .sort((a, b) => byteOrder(a.path, b.path));
      const contents = await openContents({ entries: parts }, blob);
      try {
        const bytes = Buffer.concat(
          parts.map((part) => (part.type === 'file' ? contents.read(part.content) : Buffer.alloc(0))),
        );
        if (bytes.length === 0) {
          throw badInput(`${name} has no microcode ${globs.join(', ')}`, {
            where: WHERE,
            hint: 'correct the globs: they are below /usr/lib/firmware',
          });
        }
        files.push({
          ...{
            path: `kernel/x86/microcode/${vendor}.bin`,
            type: 'file',
            mode: 0o644,
            uid: 0,
            gid: 0,
            origin: name,
          },
          content: {
            ...{
              inline: bytes.toString('base64'),
              encoding: 'base64',
              size: bytes.length,
              sha256: sha256(bytes),
            },
          },
        });
      } finally {
        contents.close();
      }
    }
    const folders = ['kernel', 'kernel/x86', 'kernel/x86/microcode'].map(
      (path): Entry => ({ path, type: 'dir', mode: 0o755, uid: 0, gid: 0, origin: 'microcode' }),
    );
    const entries = [...folders, ...files].sort((a, b) => byteOrder(a.path, b.path));
    await writeFile(out, treeToCpio({ entries }, { blobPath: blob, mtime: inputs.epoch }));
  },
});
