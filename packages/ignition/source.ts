import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { decompress } from '../../build/debian/decompress.ts';
import { deb } from '../../build/debian/fetch.ts';
import { readLock } from '../../build/debian/lock.ts';
import { LOCK, LOCK_PATH } from '../../build/debian/lock-path.ts';
import { buildTargets } from '../../build/graph/run.ts';
import { recipe, type Target } from '../../build/graph/target.ts';
import { lockedPackages } from '../../build/image/packages.ts';
import { badInput } from '../../sdk/lib/errors.ts';

/** The files with the schemas, below the top folder of the source package. */
const SCHEMA = /^[^/]+\/(config\/v3_\d+\/schema\/ignition\.json)$/;

/**
 * The JSON schemas of the spec versions from Ignition's source tarball, in a folder with the tarball's
 * layout.
 */
const schemas = recipe<{ tarball: Target; label: string }>({
  from: import.meta.url,
  kind: 'dir',
  async run({ inputs, out, scratch, signal }) {
    const tar = join(scratch, 'source.tar');
    const { size } = await stat(inputs.tarball.path);
    await decompress({ path: inputs.tarball.path, offset: 0, size }, 'xz', tar, {
      where: inputs.label,
      signal,
    });
    await mkdir(out);
    let found = 0;
    const archive = extract();
    const reading = pipeline(createReadStream(tar), archive);
    for await (const entry of archive) {
      const path = SCHEMA.exec(entry.header.name)?.[1];
      if (path === undefined || entry.header.type !== 'file') {
        entry.resume();
        continue;
      }
      await mkdir(dirname(join(out, path)), { recursive: true });
      await pipeline(entry, createWriteStream(join(out, path)));
      found += 1;
    }
    await reading;
    if (found === 0) throw badInput('the source package has no schema', { where: inputs.label });
  },
});

/** The paths of the real validator and of the schemas. */
export interface IgnitionOracle {
  /** Tool tree with ignition-validate. */
  readonly tools: string;
  /** Folder with config/vX_Y/schema/ignition.json. */
  readonly source: string;
}

/** Ignition's validator and schemas as the lock pins them. They are fetched if they are missing. */
export async function ignitionOracle(): Promise<IgnitionOracle> {
  const lock = await readLock(LOCK_PATH);
  const pinned = lock.sources.find(({ name }) => name === 'ignition');
  const tarball = pinned?.files.find(({ name }) => name.endsWith('.orig.tar.xz'));
  if (!pinned || !tarball) {
    throw badInput('the lock has no source package ignition', {
      where: LOCK,
      hint: './draisine lock --update',
    });
  }
  const path = `${pinned.directory}/${tarball.name}`;
  const fetched = deb(`source:${tarball.name}`, {
    archive: pinned.archive,
    path,
    size: tarball.size,
    sha256: tarball.sha256,
  });
  const source = schemas('ignition:schemas', { tarball: fetched, label: tarball.name });
  const tools = lockedPackages(lock).tools('ignition');
  const made = await buildTargets([source, tools]);
  return { tools: made.get(tools.name)?.path ?? '', source: made.get(source.name)?.path ?? '' };
}
