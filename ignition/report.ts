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

/** A finding before its place in the text is known. */
export interface Finding {
  readonly kind: Entry['kind'];
  readonly path: readonly Step[];
  readonly message: string;
  /** The last step names a key: point at the key, not at its value. */
  readonly atKey?: boolean;
  /** Byte offset, where it is known already. */
  readonly at?: number;
}

/** Findings kept; a hostile document can hold millions of faults, and nobody reads them. */
const MAX_FINDINGS = 20_000;

/** Collects findings while a walk moves through the config. */
export interface Report {
  /** Where the walk stands. Rules read it through `error` and `warning` only. */
  readonly path: Step[];
  readonly findings: Finding[];
  /** Findings left off. */
  dropped: number;
  failed: boolean;
  error(problem: Problem | undefined, ...below: Step[]): void;
  warning(problem: Problem | undefined, ...below: Step[]): void;
  add(finding: Finding): void;
}

/** What is wrong (Ignition's own words) and how to fix it. */
export interface Problem {
  readonly what: string;
  readonly hint?: string;
}

export function problem(what: string, hint?: string): Problem {
  return hint === undefined ? { what } : { what, hint };
}

export function problemText({ what, hint }: Problem): string {
  return hint === undefined ? what : `${what}; ${hint}`;
}

export function newReport(): Report {
  const path: Step[] = [];
  const findings: Finding[] = [];
  const keep = (kind: Finding['kind'], found: Problem, below: readonly Step[]): void => {
    if (kind === 'error') report.failed = true;
    if (findings.length < MAX_FINDINGS)
      findings.push({ kind, path: [...path, ...below], message: problemText(found) });
    else report.dropped++;
  };
  const report: Report = {
    path,
    findings,
    dropped: 0,
    failed: false,
    error: (found, ...below) => {
      if (found) keep('error', found, below);
    },
    warning: (found, ...below) => {
      if (found) keep('warning', found, below);
    },
    add: (finding) => {
      if (finding.kind === 'error') report.failed = true;
      if (findings.length < MAX_FINDINGS) findings.push(finding);
      else report.dropped++;
    },
  };
  return report;
}

export function pathText(path: readonly Step[]): string {
  return ['$', ...path].join('.');
}
