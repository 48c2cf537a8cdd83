import { byteOrder, canonicalJson, type Sha256 } from '../../sdk/lib/files.ts';
import { distribution } from '../debian/archives.ts';
import { uuidFrom } from '../media/partitions.ts';

/** A source that binary packages were built from. */
export interface SourcePackage {
  readonly name: string;
  readonly version: string;
}

/** A package in the bill of materials. */
export interface Component {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** SHA-256 of the .deb. */
  readonly sha256: Sha256;
  /** File name of the .deb. */
  readonly file: string;
  readonly source: SourcePackage;
  /** Other source packages with parts in this package: statically linked libraries, the kernel of a signed package. */
  readonly builtUsing: readonly SourcePackage[];
  readonly homepage?: string;
  /** SPDX licence expression. */
  readonly licence?: string;
}

/** A part of the image that was built from the source in a package. */
export interface Built {
  readonly name: string;
  readonly from: Component;
}

/** The contents of a bill of materials. */
export interface Bill {
  readonly name: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  readonly components: readonly Component[];
  readonly built: readonly Built[];
}

const NONE = 'NOASSERTION';

/** A package URL (purl-spec, type deb). It escapes `+` and keeps `:`. */
export function purl(name: string, version: string, architecture: string): string {
  const encode = (text: string) => encodeURIComponent(text).replaceAll('%3A', ':');
  return `pkg:deb/debian/${encode(name)}@${encode(version)}?arch=${encode(architecture)}&distro=${distribution}`;
}

/** SPDXRef-KIND-TEXT. Characters that an identifier cannot have (SPDX 2.3, 7.2) become their hexadecimal code. */
function reference(kind: string, text: string): string {
  return `SPDXRef-${kind}-${text.replace(/[^A-Za-z0-9.-]/g, (char) => `-${char.charCodeAt(0).toString(16)}-`)}`;
}

function purlReference(...of: Parameters<typeof purl>) {
  return {
    referenceCategory: 'PACKAGE-MANAGER',
    referenceType: 'purl',
    referenceLocator: purl(...of),
  };
}

const common = {
  downloadLocation: NONE, // any mirror will do, because the digest identifies the file
  filesAnalyzed: false,
  licenseConcluded: NONE,
  copyrightText: NONE,
};

/** The bill of materials as an SPDX 2.3 document. Equal bills give equal bytes: no clock, nothing random. */
export function spdxDocument({ name, version, epoch, components, built }: Bill): string {
  const created = new Date(epoch * 1000).toISOString().replace('.000Z', 'Z');
  const image = reference('Image', name);
  const packages: object[] = [
    {
      ...common,
      SPDXID: image,
      name,
      versionInfo: version,
      supplier: NONE,
      licenseDeclared: NONE,
      primaryPackagePurpose: 'OPERATING_SYSTEM',
    },
  ];
  const relationships: object[] = [relation('SPDXRef-DOCUMENT', 'DESCRIBES', image)];
  const sources = new Map<string, SourcePackage>();
  const addSources = (of: string, { source, builtUsing }: Component) => {
    const ids = [source, ...builtUsing].map((each) => {
      const id = reference('Source', `${each.name}-${each.version}`);
      sources.set(id, each);
      return id;
    });
    for (const id of new Set(ids)) relationships.push(relation(of, 'GENERATED_FROM', id));
  };
  for (const component of [...components].sort((a, b) => byteOrder(a.name, b.name))) {
    const id = reference('Package', component.name);
    packages.push(binaryPackage(id, component));
    relationships.push(relation(image, 'CONTAINS', id));
    addSources(id, component);
  }
  for (const { name: product, from } of [...built].sort((a, b) => byteOrder(a.name, b.name))) {
    const id = reference('Built', product);
    packages.push({
      ...common,
      SPDXID: id,
      name: product,
      versionInfo: from.version,
      supplier: NONE,
      licenseDeclared: from.licence ?? NONE,
      sourceInfo: `built from the source in ${from.file}, SHA-256 ${from.sha256}`,
    });
    relationships.push(relation(image, 'CONTAINS', id));
    addSources(id, from);
  }
  for (const [id, source] of [...sources].sort(([a], [b]) => byteOrder(a, b))) {
    packages.push({
      ...common,
      SPDXID: id,
      name: source.name,
      versionInfo: source.version,
      supplier: 'Organization: Debian',
      licenseDeclared: NONE,
      primaryPackagePurpose: 'SOURCE',
      externalRefs: [purlReference(source.name, source.version, 'source')],
    });
  }
  const content = { packages, relationships };
  const uuid = uuidFrom(canonicalJson({ name, version, created, ...content }));
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${name}-${version}`,
    documentNamespace: `https://spdx.org/spdxdocs/${encodeURIComponent(`${name}-${version}`)}-${uuid}`,
    creationInfo: { created, creators: ['Tool: draisine'] },
    documentDescribes: [image],
    ...content,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function binaryPackage(id: string, component: Component): object {
  const { name, version, architecture, sha256, file, source, homepage, licence } = component;
  return {
    ...common,
    SPDXID: id,
    name,
    versionInfo: version,
    supplier: 'Organization: Debian',
    packageFileName: file,
    checksums: [{ algorithm: 'SHA256', checksumValue: sha256 }],
    sourceInfo: `built from source package ${source.name} ${source.version}`,
    ...(homepage === undefined ? {} : { homepage }),
    licenseDeclared: licence ?? NONE,
    externalRefs: [purlReference(name, version, architecture)],
  };
}

function relation(spdxElementId: string, relationshipType: string, relatedSpdxElement: string): object {
  return { spdxElementId, relationshipType, relatedSpdxElement };
}
