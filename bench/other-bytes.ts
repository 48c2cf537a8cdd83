import { readFile, writeFile } from 'node:fs/promises';
import { type Input, isTarget, recipe, type Target } from '../build/graph/target.ts';
import { openContents } from '../build/tree/content.ts';
import type { Entry, Tree } from '../build/tree/entry.ts';
import { canonicalJson } from '../sdk/lib/files.ts';

/**
 * The targets of a graph in which some inputs look rebuilt: all their code, data and relocations are other bytes, which
 * compress equally well. `isOther` gets an input and the target that uses it. The output of the input must be a `Tree`
 * or a `Package`.
 */
export function withOther(
  targets: readonly Target[],
  isOther: (input: Target, user: Target) => boolean,
): Target[] {
  const made = new Map<Target, Target>();
  const remade = (user: Target): Target => {
    const known = made.get(user);
    if (known) return known;
    const each = (input: Target) =>
      isOther(input, user) ? otherBytes(`other:${input.name}`, { tree: remade(input) }) : remade(input);
    const inputs = Object.entries(user.inputs).map(([name, input]): [string, Input] => {
      if (isTarget(input)) return [name, each(input)];
      const list = Array.isArray(input) && input.every(isTarget);
      return [name, list ? (input as readonly Target[]).map(each) : input];
    });
    const result = { ...user, inputs: Object.fromEntries(inputs) };
    made.set(user, result);
    return result;
  };
  return targets.map(remade);
}

const otherBytes = recipe<{ tree: Target }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, blob, add }) {
    const tree = JSON.parse(await readFile(inputs.tree.path, 'utf8')) as Tree;
    const contents = await openContents(tree, blob);
    const entries: Entry[] = [];
    for (const entry of tree.entries) {
      const bytes = entry.type === 'file' ? rebuilt(contents.read(entry.content)) : undefined;
      if (entry.type !== 'file' || !bytes) entries.push(entry);
      else {
        const digest = await add(bytes);
        const content = { blob: digest, offset: 0, size: bytes.length, sha256: digest };
        entries.push({ ...entry, content });
      }
    }
    contents.close();
    await writeFile(out, canonicalJson({ ...tree, entries }));
  },
});

/** The setup code of a bzImage ends here. It is not changed, because ukify reads it. */
const KERNEL_PAYLOAD = 64 << 10;
const [PROGBITS, RELA] = [1, 4];
/** Sections that the build reads of a module or a program. They are not changed. */
const KEPT = /^(\.modinfo|__ksymtab|__kcrctab|__versions|\.gnu|\.note|\.interp|\.comment)/;

/** A kernel, a module or a program (elf(5)) with other bytes; undefined for any other file. */
function rebuilt(bytes: Buffer): Buffer | undefined {
  const copy = Buffer.from(bytes);
  const change = (from: number, to: number) => {
    for (let at = from; at < to; at++) copy[at] = copy[at]! ^ 0x55;
  };
  if (copy.toString('latin1', 0, 2) === 'MZ') {
    change(KERNEL_PAYLOAD, copy.length);
    return copy;
  }
  if (copy.length < 64 || copy.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const table = Number(bytes.readBigUInt64LE(0x28));
  const sections = Array.from({ length: bytes.readUInt16LE(0x3c) }, (_, index) => {
    const at = table + index * bytes.readUInt16LE(0x3a);
    const [from, size] = [0x18, 0x20].map((field) => Number(bytes.readBigUInt64LE(at + field)));
    return { name: bytes.readUInt32LE(at), type: bytes.readUInt32LE(at + 4), from: from!, size: size! };
  });
  const names = sections[bytes.readUInt16LE(0x3e)]?.from ?? 0;
  for (const { name, type, from, size } of sections) {
    const text = bytes.toString('latin1', names + name, bytes.indexOf(0, names + name));
    if ((type === PROGBITS || type === RELA) && !KEPT.test(text)) change(from, from + size);
  }
  return copy;
}
