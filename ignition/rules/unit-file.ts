import { goQuote } from '../json/text.ts';

/**
 * Unit files as Ignition's parser reads them. It is not systemd's: it knows sections, options, comments and
 * continuation lines, and refuses lines its read buffer cannot show to be short enough. Since that check looks at
 * the buffer and not at the line, the buffer (4096 bytes, refilled when a search runs past its end) is modelled
 * here too: whether a long line is refused depends on where it stands.
 */

const BUFFER = 4096;
const LINE_MAX = 2048;

/** The faults of this parser; thrown inside this module only. */
class BadUnit extends Error {}

interface Reader {
  readonly bytes: Buffer;
  /** Next byte to read. */
  at: number;
  /** End of what is in the buffer. */
  end: number;
}

function fill(reader: Reader): void {
  reader.end = Math.min(reader.bytes.length, reader.at + BUFFER);
}

/** Bytes up to and with `stop`, or up to the end of the input. */
function readThrough(reader: Reader, stop: number): { readonly line: Buffer; readonly found: boolean } {
  const start = reader.at;
  for (let from = start; ; ) {
    const hit = reader.bytes.subarray(from, reader.end).indexOf(stop);
    if (hit >= 0) {
      reader.at = from + hit + 1;
      return { line: reader.bytes.subarray(start, reader.at), found: true };
    }
    from = reader.end;
    // A full buffer is set aside as a whole; a part of one is moved to the front and topped up.
    if (reader.end - reader.at >= BUFFER) reader.at = reader.end;
    if (reader.end === reader.bytes.length) {
      reader.at = reader.end;
      return { line: reader.bytes.subarray(start), found: false };
    }
    fill(reader);
  }
}

function sequenceLength(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** Offset of the next character, which is then read; -1 at the end. */
function readCharacter(reader: Reader): number {
  const length = reader.at < reader.bytes.length ? sequenceLength(reader.bytes[reader.at] ?? 0) : 0;
  if (reader.at + length > reader.end) fill(reader);
  if (length === 0) return -1;
  const at = reader.at;
  reader.at += length;
  return at;
}

const SPACE = /^[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;

/** Only what Go calls white space: JavaScript counts U+FEFF in and U+0085 out. */
function isBlank(line: Buffer): boolean {
  return SPACE.test(line.toString('utf8'));
}

function trim(line: Buffer): string {
  const text = line.toString('utf8');
  let start = 0;
  let end = text.length;
  while (start < end && SPACE.test(text[start] ?? '')) start++;
  while (end > start && SPACE.test(text[end - 1] ?? '')) end--;
  return text.slice(start, end);
}

function isSpaceAt(reader: Reader, at: number): boolean {
  const byte = reader.bytes[at] ?? 0;
  if (byte < 0x80) return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
  return isBlank(reader.bytes.subarray(at, reader.at));
}

/** The rest of the line: without its newline, or else without a carriage return at the end of the input. */
function restOfLine(reader: Reader): Buffer {
  const { line, found } = readThrough(reader, 0x0a);
  if (found) return line.subarray(0, -1);
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}

const isComment = (byte: number | undefined): boolean => byte === 0x23 || byte === 0x3b;

/** Refuses a line of which the buffer holds 2048 bytes and no end. Called before every step, as the parser does. */
function checkLineLength(reader: Reader, known: { newline: number }): void {
  if (reader.end - reader.at < LINE_MAX || known.newline >= reader.at) return;
  const window = reader.bytes.subarray(reader.at, reader.at + LINE_MAX);
  const newline = Math.max(window.lastIndexOf(0x0a), window.lastIndexOf(0x0d));
  if (newline < 0) throw new BadUnit(`line too long (max ${LINE_MAX} bytes)`);
  known.newline = reader.at + newline;
}

function skipComment(reader: Reader): void {
  for (;;) {
    const line = restOfLine(reader);
    const last = line.at(-1) === 0x20 ? line.at(-2) : line.at(-1);
    if (last !== 0x5c) return;
  }
}

function readOptionName(reader: Reader): void {
  for (;;) {
    const at = readCharacter(reader);
    if (at < 0) throw new BadUnit('EOF');
    const byte = reader.bytes[at];
    if (byte === 0x0a || byte === 0x0d) {
      throw new BadUnit('unexpected newline encountered while parsing option name');
    }
    if (byte === 0x3d) return;
  }
}

/** Reads a value with its continuation lines; each line is a step of its own. */
function readOptionValue(reader: Reader, step: () => void): void {
  for (;;) {
    step();
    const line = restOfLine(reader);
    if (line.at(-1) !== 0x5c || isBlank(line)) return;
  }
}

function readSectionName(reader: Reader): string {
  const { line, found } = readThrough(reader, 0x5d);
  if (!found) throw new BadUnit('unable to find end of section');
  return line.subarray(0, -1).toString('utf8');
}

/** Names of the sections that hold at least one option. @throws BadUnit */
function parse(text: string): Set<string> {
  const reader: Reader = { bytes: Buffer.from(text, 'utf8'), at: 0, end: 0 };
  const known = { newline: -1 };
  const step = (): void => checkLineLength(reader, known);
  const sections = new Set<string>();
  let section: string | undefined;
  for (;;) {
    step();
    const at = readCharacter(reader);
    if (at < 0) return sections;
    const byte = reader.bytes[at];
    if (byte === 0x5b) {
      step();
      section = readSectionName(reader);
      step();
      const garbage = trim(restOfLine(reader));
      if (garbage !== '') throw new BadUnit(`found garbage after section name : ${goQuote(garbage)}`);
    } else if (isComment(byte)) {
      step();
      skipComment(reader);
    } else if (section !== undefined && !isSpaceAt(reader, at)) {
      reader.at = at;
      step();
      readOptionName(reader);
      readOptionValue(reader, step);
      sections.add(section);
    }
  }
}

export interface UnitFile {
  /** Why Ignition refuses it. */
  readonly fault?: string;
  /** Names of the sections with at least one option. */
  readonly sections: ReadonlySet<string>;
}

export function parseUnitFile(text: string): UnitFile {
  try {
    return { sections: parse(text) };
  } catch (error) {
    if (!(error instanceof BadUnit)) throw error;
    return { fault: error.message, sections: new Set() };
  }
}
