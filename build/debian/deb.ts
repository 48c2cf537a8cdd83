import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../sdk/lib/errors.ts';
import type { Sha256 } from '../../sdk/lib/files.ts';
import { readExactly } from '../../sdk/lib/read.ts';
import { type ArMember, readAr } from './ar.ts';
import { parseStanzas } from './control.ts';
import { type Codec, type Decoders, decompress } from './decompress.ts';
import { entriesOf, entryPath } from './entries.ts';
import { type Package, type ScriptKind, scriptKinds } from './package.ts';
import { readTar } from './tar.ts';

export interface ReadDebOptions {
  /** The package's name in errors, as long as its control file has not been read. */
  readonly label: string;
  /** An existing private folder. The caller removes the files that are left there. */
  readonly scratch: string;
  readonly decoders?: Decoders;
  readonly signal?: AbortSignal;
  /**
   * Called with the path of the uncompressed data.tar, which it may move. Returns the digest that the entries refer to.
   */
  readonly keep: (dataTar: string) => Promise<Sha256>;
}

const CODECS: Readonly<Record<string, Codec>> = { '': 'none', '.gz': 'gz', '.xz': 'xz', '.zst': 'zst' };

/**
 * Reads a binary package, format 2.x (deb(5)). It executes and unpacks nothing: file contents stay in the uncompressed
 * data.tar. Every defect is a Failure that names the package.
 */
export async function readDeb(path: string, options: ReadDebOptions): Promise<Package> {
  const { label, scratch, decoders, signal } = options;
  const where = `package ${label}`;
  const { control, data } = await debMembers(path, where);
  const unpack = async (member: ArMember & { codec: Codec }, out: string) => {
    const settings = { where: `${where}: ${member.name}`, signal, ...(decoders ? { decoders } : {}) };
    await decompress({ path, ...member }, member.codec, out, settings);
  };
  await mkdir(scratch, { recursive: true });

  const controlTar = join(scratch, 'control.tar');
  await unpack(control, controlTar);
  const files = await readControl(controlTar, `${where}: ${control.name}`);
  await rm(controlTar);
  const stanzas = parseStanzas(files.get('control') ?? '', `${where}: control`);
  const fields = Object.fromEntries(stanzas[0] ?? []);
  const { package: name, version, architecture } = fields;
  if (stanzas.length !== 1 || !name || !version || !architecture) {
    throw new Failure('the control file is not one stanza with Package, Version and Architecture', { where });
  }

  const dataTar = join(scratch, 'data.tar');
  await unpack(data, dataTar);
  const members = await readTar(dataTar, `package ${name}: ${data.name}`);
  const entries = entriesOf(members, await options.keep(dataTar), name);

  const scripts: Partial<Record<ScriptKind, string>> = {};
  for (const kind of scriptKinds) {
    const text = files.get(kind);
    if (text !== undefined) scripts[kind] = text;
  }
  const conffiles = conffilePaths(files.get('conffiles') ?? '', `package ${name}: conffiles`);
  return { name, version, architecture, fields, scripts, conffiles, entries };
}

type Compressed = ArMember & { readonly codec: Codec };

async function debMembers(path: string, where: string): Promise<{ control: Compressed; data: Compressed }> {
  const file = await open(path);
  try {
    // Members whose name begins with an underscore are for other tools.
    const members = (await readAr(file, where)).filter(({ name }) => !name.startsWith('_'));
    const [version, control, data] = members;
    if (version?.name !== 'debian-binary')
      throw new Failure('the first ar member is not debian-binary', { where });
    const format = (await readExactly(file, version.offset, Math.min(version.size, 64))).toString('latin1');
    if (!/^2\.\d+\n/.test(format)) {
      throw new Failure(`.deb format ${JSON.stringify(format.split('\n')[0])}; only 2.x is known`, { where });
    }
    return { control: compressed(control, 'control.tar', where), data: compressed(data, 'data.tar', where) };
  } finally {
    await file.close();
  }
}

function compressed(member: ArMember | undefined, stem: string, where: string): Compressed {
  if (!member?.name.startsWith(stem)) {
    throw new Failure(`${stem} is missing or out of order${member ? ` (found ${member.name})` : ''}`, {
      where,
    });
  }
  const suffix = member.name.slice(stem.length);
  const codec = Object.hasOwn(CODECS, suffix) ? CODECS[suffix] : undefined;
  if (!codec) throw new Failure(`${member.name}: unknown compression`, { where });
  return { ...member, codec };
}

/** Bytes of a control file; real ones stay below one megabyte. */
const CONTROL_LIMIT = 16 << 20;

async function readControl(tar: string, where: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const members = await readTar(tar, where);
  const file = await open(tar);
  try {
    for (const member of members) {
      const path = entryPath(member.name, where);
      if (path === '') continue;
      if (member.type !== 'file' || path.includes('/'))
        throw new Failure(`${path} is not a plain file`, { where });
      if (files.has(path)) throw new Failure(`${path} is in the archive twice`, { where });
      if (member.size > CONTROL_LIMIT) throw new Failure(`${path} has ${member.size} bytes`, { where });
      const bytes = await readExactly(file, member.offset, member.size);
      const text = bytes.toString('utf8');
      // A verdict on a script names the digest of its bytes, so decoding must lose nothing.
      if (!Buffer.from(text).equals(bytes)) throw new Failure(`${path} is not UTF-8 text`, { where });
      files.set(path, text);
    }
  } finally {
    await file.close();
  }
  if (!files.has('control')) throw new Failure('no control file', { where });
  return files;
}

function conffilePaths(text: string, where: string): string[] {
  const paths: string[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('remove-on-upgrade ')) continue;
    if (!line.startsWith('/'))
      throw new Failure(`${JSON.stringify(line)} is not an absolute path`, { where });
    paths.push(entryPath(line.trim().slice(1), where));
  }
  return paths;
}
