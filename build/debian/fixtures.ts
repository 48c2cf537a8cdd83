import { sha256 } from '../../sdk/lib/files.ts';
import { readPackages } from './packages-index.ts';
import { type IndexLike, makeUniverse, type Pins, type Universe } from './universe.ts';

/** For tests: short notation for Packages files, and the indexes and universes made of them. */

/** Fields (`Depends`, `Conflicts`, …) by `NAME VERSION`, or by `NAME` for version 1. */
export type Stanzas = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Makes the text of a Packages file. */
export function packagesText(stanzas: Stanzas): string {
  return Object.entries(stanzas)
    .map(([key, fields]) => {
      const [name, version = '1'] = key.split(' ');
      const path = `pool/main/${name![0]}/${name}/${name}_${version.replace(/^\d+:/, '')}_amd64.deb`;
      const all = {
        Package: name!,
        Version: version,
        Architecture: 'amd64',
        'Installed-Size': '10',
        Size: '1000',
        SHA256: sha256(key),
        Filename: path,
        Priority: 'optional',
        Description: 'made up\n for a test',
        ...fields,
      };
      return Object.entries(all)
        .map(([field, value]) => `${field}: ${value}\n`)
        .join('');
    })
    .join('\n');
}

/** Makes the index of a suite. */
function testIndex(suite: string, stanzas: Stanzas): IndexLike {
  const archive = suite.endsWith('-security') ? 'debian-security' : 'debian';
  return {
    id: `${archive}/${suite}/main`,
    suite,
    onRequest: suite.endsWith('-backports'),
    packages: readPackages(packagesText(stanzas), suite),
  };
}

/** Makes the universe of several suites. */
export function testUniverse(bySuite: Readonly<Record<string, Stanzas>>, pins?: Pins): Universe {
  return makeUniverse(
    Object.entries(bySuite).map(([suite, stanzas]) => testIndex(suite, stanzas)),
    pins,
  );
}
