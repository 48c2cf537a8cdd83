import { readFile } from 'node:fs/promises';
import type { Entry } from '../tree/entry.ts';

/** The members of a control archive that dpkg executes or acts upon (deb-control(5), deb-triggers(5)). */
export const scriptKinds = ['preinst', 'postinst', 'prerm', 'postrm', 'config', 'triggers'] as const;
export type ScriptKind = (typeof scriptKinds)[number];

/** An unpacked binary package: the output of the recipe `unpack`, as canonical JSON. */
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The control archive's `control` file, field names in lower case. */
  readonly fields: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Partial<Record<ScriptKind, string>>>;
  /** Paths in the form of `Entry.path`, without those marked `remove-on-upgrade` (deb-conffiles(5)). */
  readonly conffiles: readonly string[];
  /** In the order of data.tar. Paths are those of the package, so /usr is not merged yet. */
  readonly entries: readonly Entry[];
}

/** Reads the output of the recipe `unpack`. */
export async function readPackage(path: string): Promise<Package> {
  return JSON.parse(await readFile(path, 'utf8')) as Package;
}
