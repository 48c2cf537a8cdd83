import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { sha256 } from '../../../sdk/lib/files.ts';
import { setQuiet } from '../../../sdk/lib/log.ts';
import type { Store } from '../../graph/store.ts';
import { temporaryFolder, temporaryStore } from '../../graph/testing.ts';
import type { Statements } from '../build.ts';
import type { Channel, Root } from '../format/types.ts';
import { writeTestReport } from '../report.ts';
import { readOwnRoot, signersFor } from '../signing.ts';
import { type Made, makeRelease, signRelease, testKeys } from '../testing.ts';
import { addSignature, checkSigned, openEnvelope } from '../trust/envelope.ts';
import { initChannels } from './edit.ts';

setQuiet(true);

/** Milliseconds of an hour. */
export const HOUR = 3_600_000;
/** The time at which the channels of the tests are made. */
export const NOW = Date.now();

/** A base with channels and no release, its keys, and the means to make releases. */
export interface World {
  readonly store: Store;
  readonly folder: string;
  readonly base: string;
  readonly keys: { folder: string; root: Root };
  /** Where to edit, so many hours from now. */
  at(hours?: number): { folder: string; keys: string; now: number };
  release(made: Made, statements?: Statements): Promise<string>;
  channel(name: string): Promise<Channel>;
}

/** Makes a base with the usual channels. */
export async function world(t: TestContext): Promise<World> {
  const folder = await temporaryFolder(t);
  const store = await temporaryStore(t);
  const keys = await testKeys(t);
  const base = join(folder, 'base');
  const at = (hours = 0) => ({ folder: base, keys: keys.folder, now: NOW + hours * HOUR });
  await initChannels({ ...at(), image: 'box' }, [], undefined);
  return {
    ...{ store, folder, base, keys, at },
    async release(made, statements) {
      const to = join(folder, `release-${made.version}-${sha256(made.content ?? '').slice(0, 8)}`);
      await makeRelease(store, to, made, statements);
      await signRelease(to, keys);
      return to;
    },
    async channel(name) {
      const path = join(base, 'box', `${name}.json`);
      const opened = await openEnvelope('channel', readFileSync(path, 'utf8'), path);
      await checkSigned(opened, 'channel', (await readOwnRoot(keys.folder)).value);
      return opened.value;
    },
  };
}

/** Puts a signed report beside a release: of its own files unless told otherwise. */
export async function addReport(
  { keys, folder }: World,
  release: string,
  more: object = {},
  tests: readonly object[] = [{ test: 'zfs.mirror', passed: true }],
): Promise<void> {
  const { artifacts, name, version } = JSON.parse(readFileSync(join(release, 'manifest.json'), 'utf8')) as {
    artifacts: { path: string; sha256: string }[];
    name: string;
    version: string;
  };
  const digests = Object.fromEntries(artifacts.map((each) => [each.path, each.sha256]));
  const results = { image: name, version, complete: true, artifacts: digests, results: tests, ...more };
  writeFileSync(join(folder, 'results.json'), JSON.stringify(results));
  const [signer] = await signersFor('release', keys.root, keys.folder);
  assert.ok(signer);
  await writeTestReport(release, [join(folder, 'results.json')], (envelope) =>
    addSignature(envelope, 'report', signer.key, signer.publicKey),
  );
}

/** Every file below a folder with its bytes, times and inode. */
export function snapshot(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    files.map((file) => {
      const path = join(folder, file);
      const { ino, mtimeNs } = statSync(path, { bigint: true });
      const bytes = statSync(path).isFile() ? sha256(readFileSync(path)) : '';
      return [file, `${ino} ${mtimeNs} ${bytes}`];
    }),
  );
}
