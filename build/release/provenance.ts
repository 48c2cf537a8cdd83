import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256 } from '../../sdk/lib/files.ts';
import type { PoolFile } from '../debian/fetch.ts';

/** What a provenance statement says of a release. */
export interface Provenance {
  readonly image: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  /** Of packages/lock.json. */
  readonly lock: Sha256;
  /** Of the public halves that are part of the image; undefined where it has none. */
  readonly certificate?: Sha256 | undefined;
  readonly trust?: Sha256 | undefined;
  /** All that was fetched to make it, tools included. */
  readonly fetched: readonly PoolFile[];
  /** What was made. */
  readonly files: Readonly<Record<string, Sha256>>;
}

/**
 * How a release was made, as an in-toto statement (in-toto Attestation Framework, Statement v1) with SLSA provenance
 * (SLSA v1.0, Provenance). It is a function of the inputs: no builder, no clock, so that whoever builds the release
 * again gets these very bytes.
 */
export function provenanceStatement(of: Provenance): string {
  const digestOf = (name: string, sha256: Sha256 | undefined) =>
    sha256 === undefined ? [] : [{ name, digest: { sha256 } }];
  const fetched = [...of.fetched]
    .sort((a, b) => byteOrder(a.path, b.path))
    .map(({ archive, path, sha256 }) => ({ name: `${archive}/${path}`, digest: { sha256 } }));
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: Object.entries(of.files)
      .sort(([a], [b]) => byteOrder(a, b))
      .map(([name, sha256]) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:draisine:release:1',
        externalParameters: { image: of.image, version: of.version, epoch: of.epoch },
        resolvedDependencies: [
          ...digestOf('packages/lock.json', of.lock),
          ...digestOf('modules.crt', of.certificate),
          ...digestOf('root.json', of.trust),
          ...fetched,
        ],
      },
      runDetails: { builder: { id: 'urn:draisine:build' } },
    },
  };
  return `${JSON.stringify(statement, null, 2)}\n`;
}

/** The files that a provenance statement says were fetched, as `ARCHIVE/PATH`. Throws badInput for another document. */
export function fetchedIn(text: string, where: string): string[] {
  const { predicate } = JSON.parse(text) as {
    predicate?: { buildDefinition?: { resolvedDependencies?: readonly { readonly name: string }[] } };
  };
  const dependencies = predicate?.buildDefinition?.resolvedDependencies;
  if (!dependencies)
    throw badInput('the provenance does not say what was fetched', {
      where,
      hint: 'build the release again',
    });
  // The lock and the keys are no files of an archive.
  return dependencies.map(({ name }) => name).filter((name) => /^debian(-[a-z]+)?\//.test(name));
}
