import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checked } from '../../sdk/lib/checked.ts';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { parseJson } from '../../sdk/lib/json.ts';
import { nearNames } from '../../sdk/lib/near.ts';
import { imageNames } from './images.ts';
import { type Manifest, validate } from './manifest.schema.ts';

/** The file beside an image's artifacts that lists them. */
export const MANIFEST = 'manifest.json';
/** The image's tree document, beside the manifest. */
export const TREE = 'tree.json';

export type { Artifact, Manifest } from './manifest.schema.ts';

/** The text of a manifest: the same bytes for the same image. */
export function formatManifest(manifest: Manifest): string {
  const { name, version, lock, usrHash, commandLines, artifacts, packages } = manifest;
  const sorted = <T extends { readonly name: string }>(items: readonly T[]): T[] =>
    [...items].sort((a, b) => byteOrder(a.name, b.name));
  return `${JSON.stringify(
    { name, version, lock, usrHash, commandLines, artifacts: sorted(artifacts), packages: sorted(packages) },
    null,
    2,
  )}\n`;
}

/** The folder of an image's artifacts: out/IMAGE, or out/IMAGE-dev. */
export function outFolder(image: string, dev: boolean): string {
  return join(CHECKOUT, 'out', dev ? `${image}-dev` : image);
}

/** A manifest and its path. */
export interface LocatedManifest {
  readonly manifest: Manifest;
  readonly path: string;
  readonly folder: string;
}

/** Finds a manifest by its path, its folder, or the name of an image (or `IMAGE-dev`) that was built here. */
export function findManifest(where: string): LocatedManifest {
  if (where === '') throw badInput('the name of an image is empty', { hint: nearNames('', imageNames()) });
  const candidates = [where, join(where, MANIFEST), join(CHECKOUT, 'out', where, MANIFEST)];
  const path = candidates.find((candidate) => existsSync(candidate) && statSync(candidate).isFile());
  if (path === undefined) {
    if (imageNames().includes(where.replace(/-dev$/, ''))) {
      const dev = where.endsWith('-dev') ? ' --dev' : '';
      throw badInput(`${where} is not built yet`, {
        where: candidates[2] ?? '',
        hint: `./draisine build ${where.replace(/-dev$/, '')}${dev}`,
      });
    }
    const hint = existsSync(where)
      ? `it has no ${MANIFEST}; ./draisine build writes one beside the artifacts`
      : nearNames(where, imageNames());
    throw badInput(`${where} is neither a manifest, nor a folder with one, nor an image`, { where, hint });
  }
  return { manifest: readManifest(path), path, folder: dirname(path) };
}

/**
 * Reads a manifest.
 * @throws badInput, with the line or the JSON path, for any other file
 */
export function readManifest(path: string): Manifest {
  return parseManifest(readFileSync(path, 'utf8'), path);
}

/** Parses a manifest. `hint`: advice for a file that is not one. */
export function parseManifest(text: string, path: string, hint = './draisine build writes one'): Manifest {
  return checked<Manifest>(validate, parseJson(text, 'the manifest', path, hint), (place, what) =>
    badInput(`not a manifest of ours: ${place} ${what}`, { where: path, hint }),
  );
}
