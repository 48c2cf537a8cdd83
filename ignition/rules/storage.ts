import { problem, type Report } from '../report.ts';
import { checkPath, cleanPath } from './path.ts';

type Integer = number | bigint;

export interface Node {
  readonly path: string;
  readonly user?: Owner;
  readonly group?: Owner;
}

export interface Owner {
  readonly id?: Integer;
  readonly name?: string;
}

interface Link extends Node {
  /** The decoder knows an absent target only since spec 3.3; before it is empty. */
  readonly target?: string;
  readonly hard?: boolean;
}

interface File extends Node {
  readonly overwrite?: boolean;
  readonly contents?: { readonly source?: string };
  readonly mode?: Integer;
}

interface Storage {
  readonly directories?: readonly Node[];
  readonly files?: readonly Node[];
  readonly links?: readonly Link[];
}

export function checkNode({ path }: Node, report: Report): void {
  report.error(checkPath(path), 'path');
}

export function checkOwner({ id, name }: Owner, report: Report): void {
  if (id !== undefined && name) report.error(problem('cannot set both id and name', 'keep one of them'));
}

function checkMode(mode: Integer | undefined, minor: number, report: Report): void {
  if (mode === undefined) return;
  if (mode < 0 || mode > 0o7777) {
    report.error(
      problem('illegal file mode', 'JSON knows no octal: write 420 for 0644, 493 for 0755'),
      'mode',
    );
  }
  if (minor < 4 && (BigInt.asUintN(32, BigInt(mode)) & 0o7000n) !== 0n) {
    report.warning(
      problem(
        'setuid/setgid/sticky bits are not supported in spec versions older than 3.4.0',
        'use a mode of at most 511 (0777)',
      ),
      'mode',
    );
  }
}

export const checkDirectory =
  (minor: number) =>
  (directory: File, report: Report): void => {
    checkNode(directory, report);
    checkMode(directory.mode, minor, report);
  };

export const checkFile =
  (minor: number) =>
  (file: File, report: Report): void => {
    checkNode(file, report);
    checkMode(file.mode, minor, report);
    if (file.overwrite === true && file.contents?.source === undefined) {
      report.error(
        problem(
          'overwrite must be false if source is unspecified',
          'give contents.source, "data:," for an empty file',
        ),
        'overwrite',
      );
    }
  };

/** How often each string occurs. */
function tally(values: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Answers how many links a path goes through, in time that does not grow with the number of links. */
function linksAbove(links: readonly Link[]): (path: string) => number {
  const counts = tally(links.map(({ path }) => path));
  const lengths = [...new Set(links.map(({ path }) => path.length))];
  return (path) => {
    let above = 0;
    for (const length of lengths) {
      if (path[length] === '/') above += counts.get(path.slice(0, length)) ?? 0;
    }
    return above;
  };
}

/** One finding for each link in the way, as Ignition has it, within reason. */
function repeat(times: number, report: () => void): void {
  for (let i = 0; i < Math.min(times, 100); i++) report();
}

/** Nodes in conflict with links: Ignition will not write through a link of its own config. */
export const checkStorage =
  (minor: number) =>
  ({ directories = [], files = [], links = [] }: Storage, report: Report): void => {
    if (links.length === 0) return;
    const above = linksAbove(links);
    const hint = 'write the path that the link points to';
    for (const [index, { path }] of directories.entries()) {
      const used = problem('directory path includes link in config', hint);
      repeat(above(path), () => report.error(used, 'directories', index));
    }
    for (const [index, { path }] of files.entries()) {
      repeat(above(path), () =>
        report.error(problem('file path includes link in config', hint), 'files', index),
      );
    }
    const directoryPaths = tally(directories.map(({ path }) => path));
    for (const [index, link] of links.entries()) {
      repeat(above(link.path), () =>
        report.error(problem('link path includes link in config', hint), 'links', index),
      );
      const target = link.target ?? '';
      if (minor >= 3 && target === '') {
        report.error(
          problem('link target is required', 'say what the link points to'),
          'links',
          index,
          'target',
        );
        continue;
      }
      if (link.hard !== true) continue;
      const clean = cleanPath(target);
      const absolute = clean.startsWith('/') ? clean : joinPath(link.path, target);
      repeat(directoryPaths.get(absolute) ?? 0, () =>
        report.error(problem('hard link target is a directory', 'make it a symbolic link'), 'links', index),
      );
    }
  };

/** Go's path.Join of two: empty parts are left out. */
function joinPath(base: string, target: string): string {
  const parts = [base, target].filter((part) => part !== '');
  return parts.length === 0 ? '' : cleanPath(parts.join('/'));
}
