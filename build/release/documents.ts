import { badInput } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { sourcesIn } from '../image/cyclonedx.ts';
import type { ImageFacts } from '../image/facts.ts';
import { MANIFEST, type Manifest } from '../product/manifest.ts';
import type { NotedRelease } from './notes.ts';
import { readText } from './place.ts';
import { fetchedIn } from './provenance.ts';
import type { SecurityView } from './security.ts';
import type { LocatedRelease } from './verify.ts';

/** The file of a release that describes the running system (`ImageFacts`). */
const FACTS = 'facts.json';
/** The bill of materials that names the source of each package. */
const BILL = 'sbom.cdx.json';
/** The file of a release that lists its inputs. */
export const PROVENANCE = 'provenance.json';

/**
 * The text of a document of a release.
 * @throws badInput unless release.json names this document
 */
async function documentText({ place, value }: LocatedRelease, name: string): Promise<string> {
  const text = await readText(place, name, 'it is part of every release');
  if (sha256(text) === value.files[name]?.sha256) return text;
  throw badInput(`${name} is not the one that release.json names`, {
    where: place.at(name),
    hint: './draisine release verify lists all faults',
  });
}

/** Reads the inputs of release notes. */
export async function readNoted(release: LocatedRelease): Promise<NotedRelease> {
  return {
    release: release.value,
    manifest: JSON.parse(await documentText(release, MANIFEST)) as Manifest,
    facts: JSON.parse(await documentText(release, FACTS)) as ImageFacts,
    sources: release.value.files[BILL] ? sourcesIn(await documentText(release, BILL)) : new Map(),
  };
}

/** Reads the data by which a release counts as security fixes only. */
export async function readSecurityView(release: LocatedRelease): Promise<SecurityView> {
  const text = await documentText(release, PROVENANCE);
  return { ...(await readNoted(release)), fetched: fetchedIn(text, release.place.at(PROVENANCE)) };
}
