// Starts the command line from the bundle that sdk/bundle.ts made, if nothing that went into it has changed since;
// else from the sources, through tsx. Plain JavaScript, because it runs before anything could translate TypeScript.
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const checkout = fileURLToPath(new URL('.', import.meta.url));

/** The entry of a bundle that is as the sources are now; undefined when there is none. */
function freshBundle() {
  let text;
  try {
    text = readFileSync(join(checkout, 'node_modules/.draisine/bundle.json'), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
  if (!text.endsWith('}')) return undefined; // cut short
  const { node, entry, stamps } = JSON.parse(text);
  if (node !== process.version) return undefined;
  const fresh = Object.entries(stamps).every(([path, stamp]) => stampOf(join(checkout, path)) === stamp);
  return fresh ? join(checkout, 'node_modules/.draisine', entry) : undefined;
}

/** What lstat(2) says of a file: the same later means the same content, as in build/graph/stamp.ts. */
function stampOf(path) {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.ino} ${stat.dev}`;
}

const entry = freshBundle();
if (entry !== undefined) {
  process.setSourceMapsEnabled(true);
  await import(pathToFileURL(entry).href);
} else {
  await import('./node_modules/tsx/dist/esm/index.mjs');
  await import('./draisine.ts');
  // Only what has just run without an error is worth keeping.
  if (process.exitCode === 0) await (await import('./sdk/bundle.ts')).bundle();
}
