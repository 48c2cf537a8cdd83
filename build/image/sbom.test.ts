import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { canonicalJson } from '../../sdk/lib/files.ts';
import type { Package } from '../debian/package.ts';
import { given, runRecipe } from '../graph/testing-recipe.ts';
import { dir, file, symlink } from '../tree/testing.ts';
import { sourcesIn } from './cyclonedx.ts';
import { declaredLicence } from './licence.ts';
import { cyclonedx, sbom } from './sbom.ts';

/** The part of SPDX 2.3's schema that our documents use. Other fields are not allowed. */
const id = { type: 'string', pattern: '^SPDXRef-[a-zA-Z0-9.-]+$' };
const text = { type: 'string', minLength: 1 };
const strict = (required: readonly string[], properties: object, optional: readonly string[] = []) => ({
  type: 'object',
  required,
  properties: Object.fromEntries(
    [...required, ...optional].map((key) => [key, (properties as Record<string, object>)[key] ?? text]),
  ),
  additionalProperties: false,
});
const spdx = new Ajv().compile(
  strict(
    ['spdxVersion', 'dataLicense', 'SPDXID', 'name', 'documentNamespace', 'creationInfo'].concat([
      'documentDescribes',
      'packages',
      'relationships',
    ]),
    {
      spdxVersion: { const: 'SPDX-2.3' },
      dataLicense: { const: 'CC0-1.0' },
      SPDXID: { const: 'SPDXRef-DOCUMENT' },
      documentNamespace: { type: 'string', pattern: '^https://[^#]+$' },
      creationInfo: strict(['created', 'creators'], {
        created: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$' },
        creators: { type: 'array', minItems: 1, items: { type: 'string', pattern: '^Tool: ' } },
      }),
      documentDescribes: { type: 'array', items: id },
      packages: {
        type: 'array',
        items: strict(
          [
            ...['SPDXID', 'name', 'versionInfo', 'supplier', 'downloadLocation', 'filesAnalyzed'],
            ...['licenseConcluded', 'licenseDeclared', 'copyrightText'],
          ],
          {
            SPDXID: id,
            filesAnalyzed: { const: false },
            supplier: { type: 'string', pattern: '^(NOASSERTION|Organization: .+)$' },
            primaryPackagePurpose: { enum: ['OPERATING_SYSTEM', 'SOURCE'] },
            checksums: {
              type: 'array',
              items: strict(['algorithm', 'checksumValue'], {
                algorithm: { const: 'SHA256' },
                checksumValue: { type: 'string', pattern: '^[0-9a-f]{64}$' },
              }),
            },
            externalRefs: {
              type: 'array',
              items: strict(['referenceCategory', 'referenceType', 'referenceLocator'], {
                referenceCategory: { const: 'PACKAGE-MANAGER' },
                referenceType: { const: 'purl' },
                referenceLocator: { type: 'string', pattern: '^pkg:deb/debian/[^@]+@[^?]+\\?arch=' },
              }),
            },
          },
          [
            ...['packageFileName', 'checksums', 'sourceInfo', 'homepage'],
            ...['primaryPackagePurpose', 'externalRefs'],
          ],
        ),
      },
      relationships: {
        type: 'array',
        items: strict(['spdxElementId', 'relationshipType', 'relatedSpdxElement'], {
          spdxElementId: id,
          relationshipType: { enum: ['DESCRIBES', 'CONTAINS', 'GENERATED_FROM'] },
          relatedSpdxElement: id,
        }),
      },
    },
  ),
);

interface Document {
  readonly documentNamespace: string;
  readonly creationInfo: { readonly created: string };
  readonly packages: readonly {
    readonly SPDXID: string;
    readonly name: string;
    readonly licenseDeclared: string;
    readonly sourceInfo?: string;
    readonly checksums?: readonly { readonly checksumValue: string }[];
    readonly externalRefs?: readonly { readonly referenceLocator: string }[];
  }[];
  readonly relationships: readonly {
    readonly spdxElementId: string;
    readonly relationshipType: string;
    readonly relatedSpdxElement: string;
  }[];
}

const FORMAT = 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n';
const copyright = (licence: string) =>
  `${FORMAT}Files: *\nCopyright: them\nLicense: ${licence}\n text\n\nFiles: debian/*\nLicense: GPL-9\n`;

function made(name: string, version: string, more: Partial<Package> = {}): Package {
  return {
    ...{ name, version, architecture: 'amd64', fields: {}, scripts: {}, conffiles: [] },
    entries: [dir('usr'), dir('usr/share'), dir('usr/share/doc'), dir(`usr/share/doc/${name}`)],
    ...more,
  };
}

const packages: readonly Package[] = [
  made('libstdc++6', '1:14.2+x~1-19', {
    fields: { source: 'gcc-14 (14.2.0-19)', homepage: 'https://gcc.example/' },
    entries: [
      ...made('libstdc++6', '').entries,
      file('usr/share/doc/libstdc++6/copyright', copyright('GPL-2+ or Expat')),
    ],
  }),
  made('bash', '5.2-2+b1', {
    fields: {
      'built-using': 'glibc (= 2.41-1), gcc-14 (= 14.2.0-19)',
      'static-built-using': 'glibc (= 2.41-1)',
    },
    entries: [...made('bash', '').entries.slice(0, 3), symlink('usr/share/doc/bash', 'libstdc++6')],
  }),
];
const zfs = made('zfs-dkms', '2.3.9-1', { architecture: 'all', fields: { source: 'zfs-linux' } });

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-sbom-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function build({
  of = packages,
  version = '1',
  epoch = 1_700_000_000,
  pins = {},
  recipe = sbom,
} = {}): Promise<string> {
  const own = await mkdtemp(join(folder, 'run-'));
  const document = async (each: Package) => {
    await writeFile(join(own, each.name), canonicalJson(each));
    return await given(join(own, each.name));
  };
  const pin = (each: Package, digit: string) => ({
    ...{ name: each.name, version: each.version, architecture: each.architecture, sha256: digit.repeat(64) },
    path: `pool/main/x/${each.name}_1_amd64.deb`,
    ...pins,
  });
  const target = recipe('bill', {
    ...{ name: 'box', version, epoch },
    packages: await Promise.all(of.map(document)),
    pins: of.map((each) => pin(each, 'a')),
    built: ['zfs-modules'],
    builtFrom: [await document(zfs)],
    builtPins: [pin(zfs, 'b')],
  });
  return await readFile((await runRecipe(target, own)).out, 'utf8');
}

test('the bill is a document of SPDX 2.3, and every reference has its target', async () => {
  const document = JSON.parse(await build()) as Document;
  assert.ok(spdx(document), JSON.stringify(spdx.errors));
  assert.equal(document.creationInfo.created, '2023-11-14T22:13:20Z');
  const ids = document.packages.map(({ SPDXID }) => SPDXID);
  assert.deepEqual(ids, [...new Set(ids)]);
  for (const { spdxElementId, relatedSpdxElement } of document.relationships) {
    assert.ok(['SPDXRef-DOCUMENT', ...ids].includes(spdxElementId), spdxElementId);
    assert.ok(ids.includes(relatedSpdxElement), relatedSpdxElement);
  }
});

test('the image contains each package and each part that recipes built, with their sources', async () => {
  const { packages: listed, relationships } = JSON.parse(await build()) as Document;
  const names = new Map(listed.map(({ SPDXID, name }) => [SPDXID, name]));
  assert.deepEqual(
    relationships.map((each) =>
      [names.get(each.spdxElementId), each.relationshipType, names.get(each.relatedSpdxElement)].join(' '),
    ),
    [
      ' DESCRIBES box',
      'box CONTAINS bash',
      'bash GENERATED_FROM bash',
      'bash GENERATED_FROM gcc-14',
      'bash GENERATED_FROM glibc',
      'box CONTAINS libstdc++6',
      'libstdc++6 GENERATED_FROM gcc-14',
      'box CONTAINS zfs-modules',
      'zfs-modules GENERATED_FROM zfs-linux',
    ],
  );
  const [library] = listed.filter(({ name }) => name === 'libstdc++6');
  assert.equal(
    library?.externalRefs?.[0]?.referenceLocator,
    'pkg:deb/debian/libstdc%2B%2B6@1:14.2%2Bx~1-19?arch=amd64&distro=debian-13',
  );
  assert.equal(library?.checksums?.[0]?.checksumValue, 'a'.repeat(64));
  assert.equal(library?.sourceInfo, 'built from source package gcc-14 14.2.0-19');
  assert.equal(library?.licenseDeclared, 'GPL-2.0-or-later OR MIT');
  const [, bash] = listed;
  assert.equal(
    bash?.licenseDeclared,
    'GPL-2.0-or-later OR MIT',
    'the licence comes from the package that the folder links to',
  );
  const [modules] = listed.filter(({ name }) => name === 'zfs-modules');
  assert.match(modules?.sourceInfo ?? '', /zfs-dkms_1_amd64\.deb, SHA-256 b{64}/);
});

test('two bills are the same bytes in any order of packages; another image has another namespace', async () => {
  const once = await build();
  assert.equal(await build({ of: [...packages].reverse() }), once);
  const namespace = async (of: Promise<string>) => (JSON.parse(await of) as Document).documentNamespace;
  const spaces = [once, await build({ version: '2' }), await build({ epoch: 1 }), await build({ of: [] })];
  const unlike = new Set(await Promise.all(spaces.map((each) => namespace(Promise.resolve(each)))));
  assert.equal(unlike.size, spaces.length);
});

/** The schema of CycloneDX 1.6 as its own library ships it. */
async function cyclonedxValidator() {
  const library = dirname(
    createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json'),
  );
  const read = async (name: string) =>
    JSON.parse(await readFile(join(library, 'res/schema', `${name}.SNAPSHOT.schema.json`), 'utf8')) as object;
  const ajv = new Ajv({ strict: false });
  addFormats.default(ajv);
  for (const format of ['iri-reference', 'idn-email']) ajv.addFormat(format, true);
  for (const name of ['spdx', 'jsf-0.82']) {
    // References in the schemas name files, but their identifiers are addresses. So each gets an identifier by its file name.
    ajv.addSchema({ ...(await read(name)), $id: `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json` });
  }
  return ajv.compile(await read('bom-1.6'));
}

test('the same bill is valid by the schema of CycloneDX 1.6', async () => {
  const text = await build({ recipe: cyclonedx });
  const document = JSON.parse(text) as {
    components: { name: string; hashes?: object[]; pedigree?: { ancestors: { purl: string }[] } }[];
    dependencies: { dependsOn: string[] }[];
  };
  const validate = await cyclonedxValidator();
  assert.ok(validate(document), JSON.stringify(validate.errors));
  assert.equal(
    validate({ ...document, components: [{ name: 'x' }] }),
    false,
    'the schema refuses a wrong document',
  );
  const names = document.components.map(({ name }) => name);
  assert.deepEqual(names, ['bash', 'libstdc++6', 'zfs-modules']);
  assert.deepEqual(document.components[1]?.hashes, [{ alg: 'SHA-256', content: 'a'.repeat(64) }]);
  assert.match(document.components[0]?.pedigree?.ancestors[1]?.purl ?? '', /gcc-14@14\.2\.0-19\?arch=source/);
  assert.equal(document.dependencies[0]?.dependsOn.length, 3);
  assert.deepEqual(
    [...sourcesIn(text)],
    [
      ['bash', { name: 'bash', version: '5.2-2+b1' }],
      ['libstdc++6', { name: 'gcc-14', version: '14.2.0-19' }],
      ['zfs-modules', { name: 'zfs-linux', version: '2.3.9-1' }],
    ],
  );
  assert.deepEqual([...sourcesIn('{}')], []);
  assert.equal(await build({ recipe: cyclonedx, of: [...packages].reverse() }), text);
});

test('a pin of another package is refused', async () => {
  await assert.rejects(build({ pins: { version: '0' } }), /the lock has libstdc\+\+6 0, but its \.deb is/);
});

test('a package has an expression of all its licences, or none', () => {
  const of = (...licences: string[]) =>
    declaredLicence(`${FORMAT}${licences.map((each) => `Files: ${each}x\nLicense: ${each}\n`).join('\n')}`);
  assert.equal(of('GPL-2'), 'GPL-2.0-only');
  assert.equal(of('LGPL-2.1+', 'expat', 'LGPL-2.1+'), 'LGPL-2.1-or-later AND MIT');
  assert.equal(of('Expat or GPL-3+ and ISC', 'Zlib'), '(MIT OR GPL-3.0-or-later AND ISC) AND Zlib');
  assert.equal(of('GPL-2+', 'public-domain'), undefined);
  assert.equal(of('GPL-2+ with OpenSSL exception'), undefined);
  assert.equal(of('GPL-2.7'), undefined);
  assert.equal(of(), undefined);
  assert.equal(declaredLicence('This package is free: GPL-2'), undefined);
  assert.equal(
    declaredLicence(`${FORMAT}Files: *\nFiles: *\nLicense: GPL-2\n`),
    undefined,
    'not well-formed',
  );
});
