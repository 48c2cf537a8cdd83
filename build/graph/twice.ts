import { rm } from 'node:fs/promises';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { addBlob, blobPath, checkBlob } from './blobs.ts';
import { copySparse } from './copy.ts';
import { loadFacts } from './facts.ts';
import { makeGraph, type Node } from './graph.ts';
import { type Action, actionOf, keyReader } from './key.ts';
import { type ActionRecord, readRecord, writeRecord } from './record.ts';
import { type BuildOptions, buildTargets } from './run.ts';
import { type Store, temporaryPath } from './store.ts';
import type { Target } from './target.ts';

/** A target whose recipe gave other bytes from the same inputs. */
export interface Difference {
  readonly name: string;
  readonly digests: readonly [Sha256, Sha256];
}

/**
 * Builds the same targets into two stores and compares every output: what differs though all its inputs are the
 * same. Downloads are not repeated: their outputs, which a digest pins, are copied from the first store.
 */
export async function buildTwice(
  targets: readonly Target[],
  stores: readonly [Store, Store],
  options: Omit<BuildOptions, 'store'> = {},
): Promise<readonly Difference[]> {
  const [first, second] = stores;
  await buildTargets(targets, { ...options, store: first });
  const before = recordsOf(targets, first);
  for (const [node, made] of before) {
    if (node.target.recipe.fetch && made.record.kind === 'file')
      await copyAction(made.action.key, made.record, first, second);
  }
  await buildTargets(targets, { ...options, store: second });
  const after = new Map([...recordsOf(targets, second)].map(([node, made]) => [node.name, made]));
  const differences: Difference[] = [];
  for (const [node, a] of before) {
    const b = after.get(node.name);
    if (b && a.action.key === b.action.key && a.record.digest !== b.record.digest) {
      differences.push({ name: node.name, digests: [a.record.digest, b.record.digest] });
    }
  }
  return differences;
}

function recordsOf(
  targets: readonly Target[],
  store: Store,
): Map<Node, { action: Action; record: ActionRecord }> {
  const keys = keyReader(loadFacts(store));
  const records = new Map<Node, { action: Action; record: ActionRecord }>();
  for (const node of makeGraph(targets).nodes) {
    const action = actionOf(keys, node, (need) => {
      const made = records.get(need);
      if (!made) throw new Error(`${need.name} has no record after the build`);
      return made.record;
    });
    const record = readRecord(store, action.key);
    if (!record) throw new Error(`${node.name} has no record after the build`);
    records.set(node, { action, record });
  }
  return records;
}

async function copyAction(key: Sha256, record: ActionRecord, from: Store, to: Store): Promise<void> {
  for (const digest of [record.digest, ...record.refs]) {
    if (await checkBlob(to, digest)) continue;
    if (!(await checkBlob(from, digest))) continue; // nobody needed it in the first build: the second may fetch it
    const copy = await temporaryPath(to);
    await copySparse(blobPath(from, digest), copy);
    await addBlob(to, { path: copy });
    await rm(copy, { force: true });
  }
  await writeRecord(to, key, record);
}
