import { Readable } from 'node:stream';
import { Failure } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { gatherChunks } from './chunks.ts';
import { type BlobPath, openContents } from './content.ts';
import type { Entry, Tree } from './entry.ts';

export interface TarOptions {
  readonly blobPath: BlobPath;
  /** The time of every entry, in seconds since 1970. */
  readonly mtime: number;
}

/**
 * A tree as a tar stream (POSIX.1-2024 pax: ustar, with PAX headers where a path, link or number does not fit
 * and for extended attributes). Begins with the root itself, `./`. Hard links come last, behind their files.
 * Equal trees give equal bytes. We do not use tar-stream: it encodes PAX values as UTF-8 only, which breaks
 * `security.capability`, and it makes a stream for each entry.
 */
export function treeToTar(tree: Tree, options: TarOptions): Readable {
  return Readable.from(tarChunks(tree, options), { objectMode: false, highWaterMark: 4 << 20 });
}

async function* tarChunks(tree: Tree, { blobPath, mtime }: TarOptions): AsyncGenerator<Buffer> {
  const contents = await openContents(tree, blobPath);
  const chunks = gatherChunks();
  const root: Entry = { path: '.', type: 'dir', mode: 0o755, uid: 0, gid: 0, origin: 'root' };
  const first = tree.entries.filter((entry) => entry.type !== 'hardlink');
  const links = tree.entries.filter((entry) => entry.type === 'hardlink');
  try {
    for (const entry of [root, ...first, ...links]) {
      yield* chunks.bytes(memberHeader(entry, mtime));
      if (entry.type !== 'file') continue;
      yield* chunks.content(entry.content, contents);
      yield* chunks.pad(BLOCK);
    }
    yield* chunks.bytes(Buffer.alloc(2 * BLOCK));
    yield* chunks.rest();
  } finally {
    contents.close();
  }
}

const BLOCK = 512;
const TYPE_FLAGS = { file: '0', hardlink: '1', symlink: '2', dir: '5' } as const;
/** Largest value of an octal field: 7 digits for owners, 11 for sizes. */
const MAX_ID = 0o7777777;
const MAX_SIZE = 0o77777777777;

/** The header block of an entry, preceded by a PAX header if it needs one. */
function memberHeader(entry: Entry, mtime: number): Buffer {
  const name = entry.type === 'dir' ? `${entry.path}/` : entry.path;
  const link = entry.type === 'symlink' || entry.type === 'hardlink' ? entry.target : '';
  const size = entry.type === 'file' ? entry.content.size : 0;
  if (size > MAX_SIZE) throw new Failure(`/${entry.path} is too large for a tar`, { where: entry.origin });

  const records: Buffer[] = [];
  const split = splitName(name);
  if (!split) records.push(paxRecord('path', name));
  if (Buffer.byteLength(link) > 100) records.push(paxRecord('linkpath', link));
  if (entry.uid > MAX_ID) records.push(paxRecord('uid', String(entry.uid)));
  if (entry.gid > MAX_ID) records.push(paxRecord('gid', String(entry.gid)));
  for (const [key, value] of Object.entries(entry.xattrs ?? {}).sort(([a], [b]) => byteOrder(a, b))) {
    records.push(paxRecord(`SCHILY.xattr.${key}`, Buffer.from(value, 'base64')));
  }
  const own = header(
    split ?? ['', ''],
    TYPE_FLAGS[entry.type],
    entry,
    size,
    mtime,
    Buffer.byteLength(link) > 100 ? '' : link,
  );
  if (records.length === 0) return own;
  const data = Buffer.concat(records);
  const padding = Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK);
  const extended = header(
    ['', '././@PaxHeader'],
    'x',
    { mode: 0o644, uid: 0, gid: 0 },
    data.length,
    mtime,
    '',
  );
  return Buffer.concat([extended, data, padding, own]);
}

/** `[prefix, name]` of a ustar header, undefined if the name does not fit in 155 + 100 bytes. */
function splitName(name: string): [prefix: string, name: string] | undefined {
  const bytes = Buffer.from(name);
  if (bytes.length <= 100) return ['', name];
  const slash = bytes.indexOf(0x2f, bytes.length - 101);
  if (slash < 1 || slash > 155 || slash === bytes.length - 1) return undefined;
  return [bytes.toString('utf8', 0, slash), bytes.toString('utf8', slash + 1)];
}

function header(
  [prefix, name]: readonly [string, string],
  flag: string,
  { mode, uid, gid }: Pick<Entry, 'mode' | 'uid' | 'gid'>,
  size: number,
  mtime: number,
  link: string,
): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number) => {
    block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  };
  block.write(name, 0);
  octal(mode, 100, 7);
  octal(uid > MAX_ID ? 0 : uid, 108, 7);
  octal(gid > MAX_ID ? 0 : gid, 116, 7);
  octal(size, 124, 11);
  octal(mtime, 136, 11);
  block.write('        ', 148, 'latin1'); // the checksum is computed with blanks in its own field
  block.write(flag, 156, 'latin1');
  block.write(link, 157);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(prefix, 345);
  let sum = 0;
  for (const byte of block) sum += byte;
  octal(sum, 148, 6);
  block[154] = 0;
  return block;
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
function paxRecord(key: string, value: string | Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = body.length + String(body.length).length;
  if (body.length + String(length).length !== length) length += 1;
  return Buffer.concat([Buffer.from(String(length)), body]);
}
