import { readFile } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { ifThere } from '../../../sdk/lib/errors.ts';

/**
 * Splits a byte stream into lines without their `\n`. A line longer than `limit` characters is delivered in pieces, so
 * that a peer without newlines cannot fill the memory.
 */
export function lineSplitter(onLine: (line: string) => void, limit = 1 << 20): (chunk: Buffer) => void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  return (chunk) => {
    const parts = (rest + decoder.write(chunk)).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) onLine(line);
    while (rest.length > limit) {
      onLine(rest.slice(0, limit));
      rest = rest.slice(limit);
    }
  };
}

/** The text of a file; empty if it does not exist. */
export async function readOrEmpty(path: string): Promise<string> {
  return (await ifThere(readFile(path, 'utf8'))) ?? '';
}
