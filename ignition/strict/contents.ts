import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { dataOf } from '../base/data-url.ts';
import type { Step } from '../base/step.ts';
import type { Json, JsonObject } from '../json/value.ts';
import type { Finding } from './finding.ts';

/** Bytes of a file that are kept as text. Unit files and quadlets are far smaller. */
const TEXT_MAX = 1024 * 1024;
/** Size limit for unpacking, in bytes. Larger contents fit on no machine. */
const UNPACKED_MAX = 8 * 1024 ** 3;

/**
 * Functions for items, members and scalars of a config. Ignition found it valid, so the types are those of the spec.
 */
export const structs = (value: Json | undefined): readonly JsonObject[] =>
  Array.isArray(value) ? (value as readonly JsonObject[]) : [];

/** A member of an object of a valid config; undefined if it is missing. */
export const member = (value: Json | undefined, name: string): Json | undefined =>
  (value as JsonObject | undefined)?.[name];

/** A string of a valid config; empty if it is missing. */
export const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

/** A number of a valid config; 0 if it is missing. */
export const numberOf = (value: Json | undefined): number => (value === undefined ? 0 : Number(value));

/** A text that the config writes to the machine. */
export interface PlacedText {
  /** Absolute path on the machine. */
  readonly path: string;
  readonly at: readonly Step[];
  readonly text: string;
}

/** A file that the config writes to the machine. */
export interface ConfigFile extends PlacedText {
  /** Bytes. If contents cannot be reached, only the known part. */
  readonly size: number;
  readonly executable: boolean;
  /** Whether the machine fetches a part of the contents. */
  readonly remote: boolean;
}

interface Contents {
  readonly text: string;
  readonly size: number;
}

async function unpack(data: Buffer): Promise<Contents> {
  const head: Buffer[] = [];
  let size = 0;
  for await (const chunk of Readable.from([data]).pipe(createGunzip()) as AsyncIterable<Buffer>) {
    if (size < TEXT_MAX) head.push(chunk);
    size += chunk.length;
    if (size > UNPACKED_MAX) break;
  }
  return { text: Buffer.concat(head).toString('utf8'), size };
}

/** The contents at `source`. Contents that are elsewhere or do not unpack give a finding instead. */
async function contentsOf(
  resource: Json | undefined,
  at: readonly Step[],
  findings: Finding[],
): Promise<Contents | undefined> {
  const source = textOf(member(resource, 'source'));
  if (source === '') return { text: '', size: 0 };
  const path = [...at, 'source'];
  const data = dataOf(source);
  if (data === undefined) {
    const where = source.replace(/[?#].*$/s, '').slice(0, 200); // a query may hold a secret
    findings.push({ path, message: `contents at ${where} are fetched by the machine and were not checked` });
    return undefined;
  }
  if (textOf(member(resource, 'compression')) !== 'gzip') {
    return { text: data.subarray(0, TEXT_MAX).toString('utf8'), size: data.length };
  }
  try {
    return await unpack(data);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    findings.push({ path, message: `contents do not unpack (${why}); compress them with gzip` });
    return undefined;
  }
}

async function readFile(file: JsonObject, index: number, findings: Finding[]): Promise<ConfigFile> {
  const at = ['storage', 'files', index];
  const parts = [await contentsOf(file.contents, [...at, 'contents'], findings)];
  for (const [number, more] of structs(file.append).entries()) {
    parts.push(await contentsOf(more, [...at, 'append', number], findings));
  }
  return {
    path: textOf(file.path),
    at: [...at, 'contents', 'source'],
    text: parts.map((part) => part?.text ?? '').join(''),
    size: parts.reduce((sum, part) => sum + (part?.size ?? 0), 0),
    executable: (numberOf(file.mode) & 0o111) !== 0,
    remote: parts.includes(undefined),
  };
}

/** The files of a config. Contents that cannot be reached are reported as findings. */
export async function readFiles(config: JsonObject, findings: Finding[]): Promise<ConfigFile[]> {
  const files: ConfigFile[] = [];
  for (const [index, file] of structs(member(config.storage, 'files')).entries()) {
    files.push(await readFile(file, index, findings));
  }
  return files;
}

/** Configs that the machine fetches, to merge with this one or to replace it. */
export function otherConfigs(config: JsonObject): Finding[] {
  const other = member(config.ignition, 'config');
  const merged = structs(member(other, 'merge')).map((each, index) => ({ each, steps: ['merge', index] }));
  const replaced = [{ each: member(other, 'replace'), steps: ['replace'] }];
  return [...merged, ...replaced].flatMap(({ each, steps }) =>
    textOf(member(each, 'source')) === '' || dataOf(textOf(member(each, 'source'))) !== undefined
      ? []
      : [
          {
            path: ['ignition', 'config', ...steps, 'source'],
            message: 'the machine fetches this config, so it was not checked; validate it separately',
          },
        ],
  );
}
