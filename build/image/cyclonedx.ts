import { byteOrder, canonicalJson } from '../../sdk/lib/files.ts';
import { uuidFrom } from '../media/partitions.ts';
import { type Bill, type Component, purl, type SourcePackage } from './spdx.ts';

/** The bill of materials as a CycloneDX 1.6 document. Equal bills give equal bytes: no clock, nothing random. */
export function cyclonedxDocument({ name, version, epoch, components, built }: Bill): string {
  const sorted = [...components].sort((a, b) => byteOrder(a.name, b.name));
  const products = [...built].sort((a, b) => byteOrder(a.name, b.name));
  const image = `image:${name}@${version}`;
  const parts = [
    ...sorted.map(ofPackage),
    ...products.map(({ name: product, from }) => ({
      type: 'application',
      'bom-ref': `built:${product}`,
      name: product,
      version: from.version,
      description: `built from the source in ${from.file}, SHA-256 ${from.sha256}`,
      ...licencesOf(from),
      pedigree: pedigreeOf(from),
    })),
  ];
  const content = {
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString().replace('.000Z', 'Z'),
      tools: { components: [{ type: 'application', name: 'draisine' }] },
      component: { type: 'operating-system', 'bom-ref': image, name, version },
    },
    components: parts,
    dependencies: [{ ref: image, dependsOn: parts.map((part) => part['bom-ref']).sort(byteOrder) }],
  };
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidFrom(canonicalJson(content))}`,
    version: 1,
    ...content,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** The source of each package, and of each part that recipes built, by its name in a bill of materials. */
export function sourcesIn(document: string): ReadonlyMap<string, SourcePackage> {
  const { components = [] } = JSON.parse(document) as { components?: readonly Partial<PackageEntry>[] };
  return new Map(
    components.flatMap(({ name, pedigree }): [string, SourcePackage][] => {
      const [source] = pedigree?.ancestors ?? [];
      return name && source ? [[name, { name: source.name, version: source.version }]] : [];
    }),
  );
}

type PackageEntry = ReturnType<typeof ofPackage>;

function ofPackage(component: Component) {
  const { name, version, architecture, sha256, homepage } = component;
  const url = purl(name, version, architecture);
  return {
    type: 'library',
    'bom-ref': url,
    supplier: { name: 'Debian' },
    name,
    version,
    hashes: [{ alg: 'SHA-256', content: sha256 }],
    ...licencesOf(component),
    purl: url,
    ...(homepage === undefined ? {} : { externalReferences: [{ type: 'website', url: homepage }] }),
    pedigree: pedigreeOf(component),
  };
}

/** The source packages of a package: first its own, then those that it was built with. */
function pedigreeOf({ source, builtUsing }: Component) {
  return {
    ancestors: [source, ...builtUsing].map(({ name, version }) => ({
      type: 'library',
      name,
      version,
      purl: purl(name, version, 'source'),
    })),
  };
}

/** The licence as an expression (also for one licence), `declared` because it comes from Debian's copyright file. */
function licencesOf({ licence }: Component): object {
  return licence === undefined ? {} : { licenses: [{ expression: licence, acknowledgement: 'declared' }] };
}
