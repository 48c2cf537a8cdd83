import { join } from 'node:path';
import { type Closure, type Sources, stampOf } from '../../build/for-kola.ts';
import { canonicalJson, type Sha256, sha256 } from '../../sdk/lib/files.ts';

/** All that a verdict depends on. */
export interface Inputs {
  /** One digest for all of it. The same in every checkout and folder. */
  readonly key: Sha256;
  /** The parts of the key, by name. They show what has changed. */
  readonly parts: Readonly<Record<string, string>>;
  /** True if the files have not changed since they were read. An edit during the run makes its result worthless. */
  unchanged(): boolean;
}

/** Makes inputs of files and values. */
export function inputsOf(
  sources: Sources,
  { files, npm }: Pick<Closure, 'npm'> & { readonly files: Iterable<string> },
  values: Readonly<Record<string, unknown>>,
): Inputs {
  const names = [...new Set(files)];
  const parts = Object.fromEntries([
    ...names.map((name) => {
      const { digest, executable } = sources.file(name);
      return [name, executable ? `${digest} executable` : digest];
    }),
    ...[...npm].map(([name, digest]) => [`npm:${name}`, digest]),
    // These two packages translate TypeScript to JavaScript.
    ...['esbuild', 'tsx'].map((name) => [`npm:${name}`, sources.npm(name)]),
    ...Object.entries(values).map(([name, value]) => [`value:${name}`, canonicalJson(value)]),
  ]) as Readonly<Record<string, string>>;
  return {
    key: sha256(canonicalJson(parts)),
    parts,
    unchanged: () =>
      names.every((name) => stampOf(join(sources.checkout, name)) === sources.file(name).stamp),
  };
}
