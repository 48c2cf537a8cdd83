import type { Step } from '../base/step.ts';

/** A fault, and a hint. */
export interface Problem {
  readonly what: string;
  readonly hint?: string;
}

/** Adds a finding of the translation, with a hint if there is one. */
export function problem(what: string, hint?: string): Problem {
  return hint === undefined ? { what } : { what, hint };
}

/** Collects findings and origins while the translation walks through the spec 2 config. */
export interface Report {
  /** The current path in the spec 2 config. */
  readonly path: Step[];
  readonly failed: boolean;
  error(problem: Problem, ...below: Step[]): void;
  warning(problem: Problem, ...below: Step[]): void;
  /** Runs `use` at another path. */
  within(path: readonly Step[], use: () => void): void;
  /** Records that a part of the result comes from the current path. Returns the part. */
  made<T extends object>(part: T, ...below: Step[]): T;
  /** The path in the spec 2 config for a path of the result. */
  source(result: unknown, path: readonly Step[]): readonly Step[];
}

/**
 * Makes a report.
 * @param add receives findings, each at a path of the spec 2 config
 */
export function newReport(
  add: (kind: 'error' | 'warning', path: readonly Step[], text: string) => void,
): Report {
  const path: Step[] = [];
  const sources = new WeakMap<object, readonly Step[]>();
  let failed = false;
  const text = ({ what, hint }: Problem): string => (hint === undefined ? what : `${what}; ${hint}`);
  return {
    path,
    get failed() {
      return failed;
    },
    error: (found, ...below) => {
      failed = true;
      add('error', [...path, ...below], text(found));
    },
    warning: (found, ...below) => add('warning', [...path, ...below], text(found)),
    within: (elsewhere, use) => {
      const here = path.splice(0, path.length, ...elsewhere);
      use();
      path.splice(0, path.length, ...here);
    },
    made: (part, ...below) => {
      sources.set(part, [...path, ...below]);
      return part;
    },
    source: (result, steps) => {
      let found = steps;
      let value = result;
      for (const [index, step] of steps.entries()) {
        value = (value as Record<Step, unknown> | undefined)?.[step];
        const source = typeof value === 'object' && value !== null ? sources.get(value) : undefined;
        if (source) found = [...source, ...steps.slice(index + 1)];
      }
      return found;
    },
  };
}

/** Runs `each` on every item, with the report at the path of the item. */
export function eachAt<T>(
  report: Report,
  list: string,
  items: readonly T[] | undefined,
  each: (item: T) => void,
): void {
  report.path.push(list);
  for (const [index, item] of (items ?? []).entries()) {
    report.path.push(index);
    each(item);
    report.path.pop();
  }
  report.path.pop();
}
