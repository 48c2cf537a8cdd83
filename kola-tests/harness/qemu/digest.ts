import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir } from '../../../sdk/lib/cache.ts';
import { canonicalJson, type Sha256, sha256, sha256File, writeAtomic } from '../../../sdk/lib/files.ts';
import { readOrEmpty } from './lines.ts';

/** SHA-256 of a file. The file is read once, and again if its size, time or inode has changed. */
export async function digestOf(path: string): Promise<Sha256> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true });
  const identity = canonicalJson({ path, size: String(size), mtime: String(mtimeNs), ino: String(ino) });
  // There is one note for each path, because the digest of an overwritten file is not needed any more.
  const note = join(cacheDir(), 'kola', 'digests', sha256(path).slice(0, 32));
  const [known, digest] = (await readOrEmpty(note)).split('\n');
  if (known === identity && digest) return digest;
  const found = await sha256File(path);
  await writeAtomic(note, `${identity}\n${found}\n`);
  return found;
}
