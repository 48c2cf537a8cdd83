import type { Step } from './step.ts';

/** An entry in the terms of Ignition: an error makes the boot fail, a warning does not. */
export interface Entry {
  readonly kind: 'error' | 'warning';
  /** `$.storage.files.0.path`; `$` for the document itself. */
  readonly path: string;
  /** 1-based; 0 if the config has no text. */
  readonly line: number;
  /** 1-based; in bytes for JSON, as Ignition counts; in characters for YAML. 0 if the config has no text. */
  readonly column: number;
  /** The problem in Ignition's words, then a hint. */
  readonly message: string;
}

/** 1-based line and column of a place in a config; zeros if there is no place. */
export interface LineColumn {
  readonly line: number;
  readonly column: number;
}

/** The place of an entry without a place in the text. */
export const NOWHERE: LineColumn = { line: 0, column: 0 };

/** A path as reports show it: `$.storage.files.0`. */
export function pathText(path: readonly Step[]): string {
  return ['$', ...path].join('.');
}
