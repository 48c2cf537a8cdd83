import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder, type Sha256, sha256 } from '../../sdk/lib/files.ts';

/** The entry of an installed package in package-lock.json (lockfileVersion 2 and 3, `packages`). */
interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** Installed packages by path: `node_modules/zx`. */
export type NpmLock = ReadonlyMap<string, Locked>;

/**
 * Reads package-lock.json of the checkout.
 * @throws badInput for a file of npm 6 or older
 */
export function readNpmLock(checkout: string): NpmLock {
  const path = join(checkout, 'package-lock.json');
  const { packages } = JSON.parse(readFileSync(path, 'utf8')) as { packages?: Record<string, Locked> };
  if (!packages)
    throw badInput('package-lock.json has no "packages"', {
      where: path,
      hint: 'run `npm install` with npm 7 or newer',
    });
  return new Map(Object.entries(packages));
}

/** `@scope/name/sub/path` → `@scope/name`. */
export function packageName(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/**
 * One digest for an installed npm package: name, version and integrity of it and of all its dependencies.
 * Undefined if the lock does not have it.
 */
export function npmDigest(
  lock: NpmLock,
  name: string,
): { readonly version: string; readonly digest: Sha256 } | undefined {
  const seen = new Map<string, string>();
  const visit = (dependency: string, from: string): boolean => {
    const path = resolve(lock, dependency, from);
    const locked = path === undefined ? undefined : lock.get(path);
    if (path === undefined || locked === undefined) return false;
    if (seen.has(path)) return true;
    seen.set(path, `${path} ${locked.version} ${locked.integrity}`);
    for (const kind of [locked.dependencies, locked.optionalDependencies, locked.peerDependencies]) {
      for (const next of Object.keys(kind ?? {})) visit(next, path); // an optional one may be absent
    }
    return true;
  };
  if (!visit(name, '')) return undefined;
  const version = lock.get(`node_modules/${name}`)?.version ?? '';
  return { version, digest: sha256([...seen.values()].sort(byteOrder).join('\n')) };
}

/** Resolves as Node does: in the nearest node_modules, then further out. */
function resolve(lock: NpmLock, name: string, from: string): string | undefined {
  for (let base = from; ; ) {
    const path = `${base === '' ? '' : `${base}/`}node_modules/${name}`;
    if (lock.has(path)) return path;
    if (base === '') return undefined;
    base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')));
  }
}
