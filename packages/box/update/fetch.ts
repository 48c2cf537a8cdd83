import { type Box, BoxError, nameOf, type Ran, withScratch } from '../io/box.ts';
import { curlOption, shellQuote } from '../io/quote.ts';

/** The source of files. */
export interface Origin {
  /** Address of a folder, without a slash at its end. */
  readonly base: string;
  readonly proxy?: string | undefined;
  readonly ca?: string | undefined;
}

/** A range of bytes: offset and length. */
export interface Range {
  readonly from: number;
  readonly length: number;
}

/** The server did not answer with the range: it does not support ranges, or pretends to. */
export class NoRanges extends BoxError {}

/** Exit codes of curl (curl(1)) about which people can do something. */
const REASONS: Readonly<Record<number, string>> = {
  3: 'the address is malformed',
  5: 'the proxy cannot be found',
  6: 'the name of the server cannot be resolved',
  7: 'the server does not answer',
  18: 'the connection was closed in the middle',
  22: 'the server refuses',
  28: 'the server is too slow or stalls',
  35: 'no secure connection could be made',
  37: 'there is no such file',
  52: 'the server sent no answer',
  56: 'the connection broke',
  60: 'the certificate of the server is not trusted',
  63: 'the file is larger than it may be',
  124: 'it does not end',
  127: 'curl is missing',
};
const RETRY = new Set([6, 7, 18, 28, 52, 55, 56]);
const PAUSES = [1000, 5000];

/**
 * Options of every transfer, as lines of a config file of curl. No redirects: signed files must be at their
 * own address.
 */
function options({ proxy, ca }: Origin, maxBytes: number): string[] {
  return [
    'silent',
    'show-error',
    'fail',
    'globoff',
    'proto = "=http,https,file"',
    'connect-timeout = 20',
    'speed-limit = 1000',
    'speed-time = 30',
    `max-filesize = ${maxBytes}`,
    'user-agent = "draisine"',
    'write-out = "%{stderr}\\nDRAISINE %{http_code} %{size_download} %{redirect_url}\\n"',
    ...(proxy === undefined ? [] : [curlOption('proxy', proxy)]),
    ...(ca === undefined ? [] : [curlOption('cacert', ca)]),
  ];
}

/** Paths have only letters, digits, dots, slashes and hyphens, so nothing needs an escape. */
const addressOf = ({ base }: Origin, path: string) => `${base}/${path}`;

interface Transfer {
  readonly status: number;
  readonly size: number;
  readonly redirect: string;
}

function transfersOf({ stderr }: Ran): Transfer[] {
  return [...stderr.matchAll(/^DRAISINE (\d+) (\d+) (.*)$/gm)].map(([, status, size, redirect = '']) => ({
    status: Number(status),
    size: Number(size),
    redirect: redirect.trim(),
  }));
}

function failure(ran: Ran, where: string): BoxError {
  const said =
    ran.stderr
      .replaceAll(/^DRAISINE .*$/gm, '')
      .trim()
      .split('\n')
      .at(-1) ?? '';
  const reason = REASONS[ran.code] ?? `curl: exit code ${ran.code}`;
  return new BoxError(`cannot fetch ${nameOf(where)}: ${reason}${said === '' ? '' : ` (${said})`}`, {
    where,
  });
}

/** SIGXFSZ: the file became larger than the limit of ulimit. */
const TOO_LARGE = new Set([128 + 25, 23]);

const limited = (maxBytes: number): string[] => [
  ...['sh', '-c', 'ulimit -f "$0" && exec curl --config - --fail-early'],
  String((maxBytes >> 9) + 1),
];

/**
 * Runs curl, and again after a temporary failure. curl's own limit works for bodies without a length only
 * since 8.4. The limit of the shell (in blocks of 512 bytes) works always.
 */
function curl(
  box: Box,
  config: readonly string[],
  stdoutFile: string,
  maxBytes: number,
  timeoutSeconds?: number,
): Ran {
  for (let attempt = 0; ; attempt++) {
    const ran = box.run(limited(maxBytes), {
      ...{ stdin: `${config.join('\n')}\n`, stdoutFile },
      ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    });
    const pause = PAUSES[attempt];
    if (TOO_LARGE.has(ran.code)) return { ...ran, code: 63 };
    if (!RETRY.has(ran.code) || pause === undefined) return ran;
    box.sleep(pause);
  }
}

const withFile = <T>(box: Box, use: (path: string) => T): T =>
  withScratch(box, 'fetch', (folder) => use(`${folder}/part`));

function checkTransfer({ redirect, status }: Transfer, where: string): void {
  if (status >= 300 && status < 400)
    throw new BoxError(`the server redirects to ${redirect}`, {
      where,
      hint: 'redirects are not followed: name the final address as the base of updates',
    });
}

/** Seconds for a small file. */
const SMALL = 120;

/** A small file as a whole. Undefined if the server or the folder does not have it (404, 410). */
export function fetchIfThere(
  box: Box,
  origin: Origin,
  path: string,
  maxBytes: number,
): Uint8Array | undefined {
  const where = addressOf(origin, path);
  return withFile(box, (file) => {
    const ran = curl(
      box,
      [...options(origin, maxBytes), `max-time = ${SMALL}`, `url = "${where}"`],
      file,
      maxBytes,
      // curl has no limit for a file of a stick that cannot be opened, e.g. a named pipe.
      SMALL + 10,
    );
    const [transfer] = transfersOf(ran);
    if (ran.code === 37 || (ran.code === 22 && [404, 410].includes(transfer?.status ?? 0))) return undefined;
    if (ran.code !== 0 || !transfer) throw failure(ran, where);
    checkTransfer(transfer, where);
    const { size } = box.stat(file) ?? { size: 0 };
    // ulimit allows up to a block more.
    if (size > maxBytes) throw failure({ ...ran, code: 63 }, where);
    return box.readFile(file);
  });
}

/** Seconds for a question whether a server answers. */
const ANSWER = 30;

/** Whether a server answers a request at all, with whatever status. It is asked once. */
export function isAnswered(box: Box, origin: Origin, path: string): boolean {
  return withFile(box, (file) => {
    const config = [
      ...options(origin, 1 << 20),
      `max-time = ${ANSWER}`,
      `url = "${addressOf(origin, path)}"`,
    ];
    const ran = box.run(limited(1 << 20), {
      stdin: `${config.join('\n')}\n`,
      stdoutFile: file,
      timeoutSeconds: ANSWER + 5,
    });
    return transfersOf(ran).some(({ status }) => status > 0);
  });
}

/**
 * Fetches a file of at most `maxBytes` bytes.
 * @throws BoxError if it does not exist
 */
export function fetchFile(box: Box, origin: Origin, path: string, maxBytes: number): Uint8Array {
  const bytes = fetchIfThere(box, origin, path, maxBytes);
  if (!bytes)
    throw new BoxError(`cannot fetch ${nameOf(path)}: it does not exist`, { where: addressOf(origin, path) });
  return bytes;
}

/**
 * Fetches ranges of a file over one connection. `use` gets the bytes of each, in order.
 * @throws NoRanges if the answer has another length than the ranges
 */
export function fetchRanges(
  box: Box,
  origin: Origin,
  path: string,
  ranges: readonly Range[],
  use: (range: Range, bytes: Uint8Array) => void,
): void {
  const where = addressOf(origin, path);
  const config = ranges.flatMap(({ from, length }, index) => [
    ...(index > 0 ? ['next'] : []),
    ...options(origin, length),
    `range = "${from}-${from + length - 1}"`,
    `url = "${where}"`,
  ]);
  withFile(box, (file) => {
    const total = ranges.reduce((sum, { length }) => sum + length, 0);
    const ran = curl(box, config, file, total);
    const transfers = transfersOf(ran);
    for (const each of transfers) checkTransfer(each, where);
    const wrong = transfers.some(
      ({ status, size }, index) => status === 200 || (ran.code === 0 && size !== ranges[index]!.length),
    );
    // file:// has no status. 63: the server would have sent the whole file.
    if (wrong || ran.code === 63) throw new NoRanges('the server does not support ranges', { where });
    if (ran.code !== 0 || transfers.length !== ranges.length) throw failure(ran, where);
    if (box.stat(file)?.size !== total)
      throw new NoRanges('the server sent other ranges than the requested ones', { where });
    const got = box.open(file, 'read');
    try {
      let at = 0;
      for (const range of ranges) {
        use(range, got.read(at, range.length));
        at += range.length;
      }
    } finally {
      got.close();
    }
  });
}

/** A part of a file, and the path (a device or an existing file) that it goes to. */
export interface Piece {
  readonly length: number;
  /** Undefined: the part is skipped. */
  readonly to: string | undefined;
}

/** Runs curl and gives its output to the commands `take`, one after the other. The digest is that of the stream. */
function stream(
  box: Box,
  folder: string,
  config: string,
  take: readonly string[],
): { readonly code: number; readonly digest: string; readonly ran: Ran } {
  const file = (name: string) => `${folder}/${name}`;
  box.writeFile(file('config'), config, { mode: 0o600, durable: false });
  // curl's exit code goes through a file, because sh has no pipefail. The digest is that of the stream: the disk may
  // return something else. The pipe is opened once more at the end, so that sha256sum never waits for a writer.
  const script = `rm -f "$3" && mkfifo "$3" || exit 1; sha256sum <"$3" >"$4" &
{ curl --config "$1"; echo $? >"$2"; } | tee "$3" | { ${take.join('; ')}; }
code=$?; : <>"$3"; wait; rm -f "$3"; exit $code`;
  const files = ['config', 'code', 'pipe', 'digest'].map(file);
  const ran = box.run(['sh', '-c', script, 'fetch', ...files]);
  const code = Number(box.readText(file('code')).trim());
  return { code, digest: box.readText(file('digest')).slice(0, 64), ran };
}

/**
 * Fetches a whole file in one stream and cuts it into parts, for servers without ranges. A longer file is
 * refused. Returns the SHA-256 of the bytes that the server sent.
 */
export function fetchWhole(box: Box, origin: Origin, path: string, pieces: readonly Piece[]): string {
  const where = addressOf(origin, path);
  const total = pieces.reduce((sum, { length }) => sum + length, 0);
  const take = pieces.map(
    ({ length, to }, index) =>
      `head -c ${length} | dd of=${shellQuote(to ?? '/dev/null')} bs=1M iflag=fullblock conv=notrunc,nocreat status=none || exit 9${index}`,
  );
  const config = [...options(origin, total), `url = "${where}"`, ''].join('\n');
  const { code, digest, ran } = withScratch(box, 'fetch', (folder) => stream(box, folder, config, take));
  // 23: the reader has ended. Either all parts are complete, or one of them could not be written.
  if (code !== 0 && (code !== 23 || ran.code === 0))
    throw failure({ ...ran, code: code === 23 ? 63 : code }, where);
  const [transfer] = transfersOf(ran);
  if (!transfer) throw failure(ran, where);
  checkTransfer(transfer, where);
  if (ran.code !== 0)
    throw new BoxError(`cannot write ${nameOf(path)}: ${ran.stderr.trim().split('\n')[0]}`, { where });
  if (transfer.size !== total)
    throw new BoxError(`${nameOf(path)} has ${transfer.size} bytes, but its release says ${total}`, {
      where,
    });
  return digest;
}
