import type { Step } from '../base/step.ts';

/** What is wrong, and how to fix it. */
export interface Problem {
  readonly what: string;
  readonly hint?: string;
}

/** A finding of the translation, with a hint where there is one. */
export function problem(what: string, hint?: string): Problem {
  return hint === undefined ? { what } : { what, hint };
}

/** Collects findings while the translation moves through the spec 2 config, and where its results come from. */
export interface Report {
  /** Where the walk stands in the spec 2 config. */
  readonly path: Step[];
  readonly failed: boolean;
  error(problem: Problem, ...below: Step[]): void;
  warning(problem: Problem, ...below: Step[]): void;
  /** Runs `use` with the walk standing elsewhere. */
  within(path: readonly Step[], use: () => void): void;
  /** Notes that a part of the result was made of what the walk stands at, and returns that part. */
  made<T extends object>(part: T, ...below: Step[]): T;
  /** The path in the spec 2 config of a path of the result. */
  source(result: unknown, path: readonly Step[]): readonly Step[];
}

/** @param add notes a finding at a path of the spec 2 config */
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

/** Runs `each` on every item with the report's path at that item. */
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
