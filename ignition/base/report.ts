import type { Step } from './step.ts';

/** What Ignition would say of a config: an error fails the boot, a warning does not. */
export interface Entry {
  readonly kind: 'error' | 'warning';
  /** `$.storage.files.0.path`; `$` for the document itself. */
  readonly path: string;
  /** 1-based; 0 when the config has no text to point at. */
  readonly line: number;
  /** 1-based, of JSON in bytes, as Ignition counts, of YAML in characters; 0 when the config has no text to point at. */
  readonly column: number;
  /** What is wrong, in Ignition's words, then how to fix it. */
  readonly message: string;
}

/** 1-based line and column of a place in a config; zeros for none. */
export interface LineColumn {
  readonly line: number;
  readonly column: number;
}

/** The place of what has none in the text. */
export const NOWHERE: LineColumn = { line: 0, column: 0 };

/** A path as reports show it: `$.storage.files.0`. */
export function pathText(path: readonly Step[]): string {
  return ['$', ...path].join('.');
}
