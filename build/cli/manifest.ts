import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256 } from '../../sdk/lib/files.ts';
import { nearNames } from '../../sdk/lib/near.ts';
import type { ImagePackage } from '../image.ts';
import { imageNames } from './images.ts';

export const MANIFEST = 'manifest.json';
/** The image's tree document, beside the manifest. */
export const TREE = 'tree.json';

export interface Artifact {
  /** `disk`, `uki`, … as in docs/images.md. */
  readonly name: string;
  /** From the manifest's folder. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: Sha256;
}

/** out/IMAGE/manifest.json. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the lock it was made from. */
  readonly lock: Sha256;
  /** Root hash of /usr's hash tree, 64 hexadecimal digits. */
  readonly usrHash: string;
  /** Sorted by name. */
  readonly artifacts: readonly Artifact[];
  /** Sorted by name. */
  readonly packages: readonly ImagePackage[];
}

/** The text of a manifest: the same bytes for the same image. */
export function formatManifest(manifest: Manifest): string {
  const { name, version, lock, usrHash, artifacts, packages } = manifest;
  const sorted = <T extends { readonly name: string }>(items: readonly T[]): T[] =>
    [...items].sort((a, b) => byteOrder(a.name, b.name));
  return `${JSON.stringify({ name, version, lock, usrHash, artifacts: sorted(artifacts), packages: sorted(packages) }, null, 2)}\n`;
}

export function outFolder(image: string, dev: boolean): string {
  return join(CHECKOUT, 'out', dev ? `${image}-dev` : image);
}

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
      ? `it has no ${MANIFEST}: ./draisine build leaves one beside the artifacts`
      : nearNames(where, imageNames());
    throw badInput(`${where} is no manifest, folder with one, or image`, { where, hint });
  }
  return { manifest: readManifest(path), path, folder: dirname(path) };
}

export function readManifest(path: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw badInput(`not a manifest: ${cause.message}`, { where: path, cause });
  }
  return checkManifest(value, path);
}

function checkManifest(value: unknown, path: string): Manifest {
  const wrong = (at: string, want: string) =>
    badInput(`not a manifest: ${at} must be ${want}`, { where: path });
  if (typeof value !== 'object' || value === null) throw wrong('it', 'an object');
  const manifest = value as Record<string, unknown>;
  for (const key of ['name', 'version', 'lock', 'usrHash']) {
    if (typeof manifest[key] !== 'string') throw wrong(`.${key}`, 'a string');
  }
  const lists = { artifacts: ['name', 'path', 'sha256'], packages: ['name', 'version', 'architecture'] };
  for (const [list, keys] of Object.entries(lists)) {
    const items = manifest[list];
    if (!Array.isArray(items)) throw wrong(`.${list}`, 'a list');
    for (const [index, item] of items.entries()) {
      for (const key of keys) {
        if (typeof (item as Record<string, unknown> | null)?.[key] !== 'string')
          throw wrong(`.${list}[${index}].${key}`, 'a string');
      }
      if (list === 'artifacts' && typeof (item as { size?: unknown }).size !== 'number') {
        throw wrong(`.${list}[${index}].size`, 'a number');
      }
    }
  }
  return value as Manifest;
}
