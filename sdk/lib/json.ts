import { readFileSync } from 'node:fs';
import { badInput, ifThereSync } from './errors.ts';

/** The line of a JSON syntax error, if the engine reports its position. */
function lineOf(source: string, error: unknown): number | undefined {
  const position = /at position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
  if (position !== undefined) return source.slice(0, Number(position)).split('\n').length;
  return /Unexpected end/.test(String(error)) ? source.split('\n').length : undefined;
}

/** Parses a JSON file of the checkout. `what`: its name in errors. Throws badInput with the line. */
export function parseJson(source: string, what: string, where: string, hint: string): unknown {
  const conflict = source.split('\n').findIndex((line) => /^(<{7}|={7}|>{7})/.test(line));
  if (conflict >= 0)
    throw badInput(`${what} has a merge conflict`, { where: `${where}:${conflict + 1}`, hint });
  try {
    return JSON.parse(source);
  } catch (cause) {
    const line = lineOf(source, cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw badInput(`${what} is not JSON: ${reason}`, {
      where: line === undefined ? where : `${where}:${line}`,
      hint,
      cause,
    });
  }
}

/**
 * The object in a file that only saves time, or only explains something. Undefined if the file is missing or damaged: the
 * caller goes on without it.
 */
export function noted(path: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(ifThereSync(() => readFileSync(path, 'utf8')) ?? 'null');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
