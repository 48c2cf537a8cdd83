import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { makeVerity } from '../../../build/fs/verity.ts';
import type { Release } from '../../../build/release/format/types.ts';
import { releaseOf } from '../trust/testing.ts';
import { BLOCK } from './tree.ts';

export interface TestServer {
  readonly base: string;
  /** The traffic since the last call. */
  stats(): Promise<{ connections: number; requests: number; bytes: number }>;
}

export async function startServer(t: TestContext, folder: string): Promise<TestServer> {
  const script = new URL('server.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', script, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill());
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  const base = `http://127.0.0.1:${port.toString().trim()}`;
  return { base, stats: async () => (await (await fetch(`${base}/stats`)).json()) as never };
}

/** Blocks, each filled from its seed: the same seed gives the same block. */
export function blocksOf(seeds: readonly number[]): Buffer {
  const bytes = Buffer.alloc(seeds.length * BLOCK);
  seeds.forEach((seed, index) => {
    const digest = createHash('sha256').update(String(seed)).digest();
    for (let at = 0; at < BLOCK; at += digest.length) digest.copy(bytes, index * BLOCK + at);
  });
  return bytes;
}

export const sha256Hex = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

export interface TestRelease {
  readonly release: Release;
  readonly data: Buffer;
  readonly tree: Buffer;
  /** Path of usr.img. */
  readonly path: string;
}

/** A release in a folder: usr.img and uki.efi as the build makes them. */
export async function makeRelease(
  folder: string,
  sdk: string,
  version: string,
  seeds: readonly number[],
  { uki = Buffer.alloc(0), salt = 'cd'.repeat(32) }: { readonly uki?: Buffer; readonly salt?: string } = {},
): Promise<TestRelease> {
  mkdirSync(folder, { recursive: true });
  const data = blocksOf(seeds);
  const image = join(folder, 'data');
  const hashTree = join(folder, 'tree');
  writeFileSync(image, data);
  const rootHash = await makeVerity({
    ...{ image, hashTree, salt, sdk, scratch: folder },
    uuid: '01234567-89ab-cdef-0123-456789abcdef',
  });
  const tree = readFileSync(hashTree);
  const usr = Buffer.concat([data, tree]);
  const path = join(folder, 'usr.img');
  writeFileSync(path, usr);
  writeFileSync(join(folder, 'uki.efi'), uki);
  const release = releaseOf({
    version,
    rootHash,
    usr: { data: data.length, hash: tree.length, hashOffset: data.length },
    files: {
      'usr.img': { size: usr.length, sha256: sha256Hex(usr) },
      'uki.efi': { size: uki.length, sha256: sha256Hex(uki) },
    },
  });
  return { release, data, tree, path };
}

/** A PE file with these sections. It has only the fields that boot loaders read. */
export function peOf(sections: readonly (readonly [string, Buffer])[]): Buffer {
  const ALIGN = 512;
  const headers = Buffer.alloc(4096);
  headers.write('MZ', 0, 'latin1');
  headers.writeUInt32LE(64, 60);
  headers.write('PE\0\0', 64, 'latin1');
  headers.writeUInt16LE(sections.length, 70);
  const parts: Uint8Array[] = [headers];
  let offset = headers.length;
  sections.forEach(([name, content], index) => {
    const at = 88 + 40 * index;
    const raw = Math.ceil(content.length / ALIGN) * ALIGN;
    headers.write(name, at, 'latin1');
    headers.writeUInt32LE(content.length, at + 8);
    headers.writeUInt32LE(raw, at + 16);
    headers.writeUInt32LE(offset, at + 20);
    parts.push(content, Buffer.alloc(raw - content.length));
    offset += raw;
  });
  return Buffer.concat(parts);
}

/** Makes a partition: a sparse file of `size` bytes with some content at its start. */
export function makeDevice(path: string, size: number, content: Uint8Array = new Uint8Array(0)): void {
  const file = openSync(path, 'w');
  writeSync(file, content, 0, content.length, 0);
  writeSync(file, new Uint8Array(1), 0, 1, size - 1);
  closeSync(file);
}
