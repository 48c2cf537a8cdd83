import { writeFile } from 'node:fs/promises';
import { Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { architecture } from '../debian/archives.ts';
import { parseRelations } from '../debian/control.ts';
import type { PinnedPackage } from '../debian/lock.ts';
import { type Package, readPackage } from '../debian/package.ts';
import { type Context, type Inputs, type Plain, recipe, type Target } from '../graph/target.ts';
import { type BlobPath, openContents } from '../tree/content.ts';
import type { Entry } from '../tree/entry.ts';
import { indexTree, lookUp } from '../tree/lookup.ts';
import { baseOf } from '../tree/paths.ts';
import { cyclonedxDocument } from './cyclonedx.ts';
import { declaredLicence } from './licence.ts';
import { type Bill, type Component, type SourcePackage, spdxDocument } from './spdx.ts';

/** The fields of a package in the lock that the bill of materials uses. */
export type Pin = Pick<PinnedPackage, 'name' | 'version' | 'architecture' | 'sha256' | 'path'>;

/** The pin of a package in the lock. */
export function pinOf({ name, version, architecture, sha256, path }: PinnedPackage): Pin {
  return { name, version, architecture, sha256, path };
}

interface BillInputs extends Inputs {
  readonly name: string;
  readonly version: string;
  readonly epoch: number;
  /** `Package`s, and their pins in the same order. */
  readonly packages: readonly Target[];
  readonly pins: readonly Plain<Pin>[];
  /** Parts that recipes built: names, the `Package`s with their sources, and the pins of those, in the same order. */
  readonly built: readonly string[];
  readonly builtFrom: readonly Target[];
  readonly builtPins: readonly Plain<Pin>[];
}

/**
 * The image's bill of materials, SPDX 2.3 in JSON: every package of its set with the digest of its .deb and its
 * source package, and the parts that recipes built.
 */
export const sbom = recipe<BillInputs>({
  from: import.meta.url,
  kind: 'file',
  run: async (context) => writeFile(context.out, spdxDocument(await billOf(context))),
});

/** The same bill as a CycloneDX 1.6 document. */
export const cyclonedx = recipe<BillInputs>({
  from: import.meta.url,
  kind: 'file',
  run: async (context) => writeFile(context.out, cyclonedxDocument(await billOf(context))),
});

async function billOf({ inputs, blob }: Context<BillInputs>): Promise<Bill> {
  const { name, version, epoch } = inputs;
  const packages = await Promise.all(inputs.packages.map(({ path }) => readPackage(path)));
  const sources = await Promise.all(inputs.builtFrom.map(({ path }) => readPackage(path)));
  const components = await describeAll(packages, inputs.pins, blob);
  const from = await describeAll(sources, inputs.builtPins, blob);
  const built = inputs.built.map((product, index) => ({ name: product, from: from[index]! }));
  return { name, version, epoch, components, built };
}

async function describeAll(
  packages: readonly Package[],
  pins: readonly Pin[],
  blob: BlobPath,
): Promise<Component[]> {
  const licences = await licencesOf(packages, blob);
  return packages.map((each, index) => {
    const pin = pins[index];
    if (pin?.name !== each.name || pin.version !== each.version) {
      throw new Failure(
        `the lock has ${pin?.name} ${pin?.version}, but its .deb is ${each.name} ${each.version}`,
      );
    }
    const { name, version, architecture, sha256, path } = pin;
    const { homepage } = each.fields;
    const licence = licences.get(name);
    return {
      ...{ name, version, architecture, sha256, file: baseOf(path), source: sourceOf(each) },
      builtUsing: builtUsingOf(each),
      ...(homepage === undefined ? {} : { homepage }),
      ...(licence === undefined ? {} : { licence }),
    };
  });
}

/** Reads `Source: linux (6.12.1-1)`. A missing name or version is that of the package (deb-control(5)). */
function sourceOf({ name, version, fields }: Package): SourcePackage {
  const [, source, other] = /^(\S+)(?:\s+\(([^)]+)\))?$/.exec(fields.source ?? '') ?? [];
  return { name: source ?? name, version: other ?? version };
}

/** `Built-Using` and `Static-Built-Using`: source packages with `(= VERSION)` (Policy 7.8). */
function builtUsingOf({ name, fields }: Package): SourcePackage[] {
  const text = [fields['built-using'], fields['static-built-using']].filter(Boolean).join(', ');
  const found = parseRelations(text, architecture, name).flatMap(([first]) =>
    first?.version === undefined ? [] : [{ name: first.name, version: first.version.bound }],
  );
  return found.sort((a, b) => byteOrder(a.name, b.name) || byteOrder(a.version, b.version));
}

/** Licences by package. A package's copyright file may be a symlink to that of another package (Policy 12.5). */
async function licencesOf(packages: readonly Package[], blob: BlobPath): Promise<Map<string, string>> {
  const entries = packages.flatMap((each) =>
    each.entries.filter(({ path }) => /^usr(\/share(\/doc(\/[^/]+(\/copyright)?)?)?)?$/.test(path)),
  );
  const index = indexTree({ entries });
  const found = new Map<string, Extract<Entry, { type: 'file' }>>();
  for (const { name } of packages) {
    const entry = lookUp(index, `usr/share/doc/${name}/copyright`)?.entry;
    if (entry?.type === 'file') found.set(name, entry);
  }
  const contents = await openContents({ entries: [...found.values()] }, blob);
  try {
    const licences = new Map<string, string>();
    for (const [name, { content }] of found) {
      const licence = declaredLicence(contents.read(content).toString('utf8'));
      if (licence !== undefined) licences.set(name, licence);
    }
    return licences;
  } finally {
    contents.close();
  }
}
