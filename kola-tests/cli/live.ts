import { seconds } from '../harness/qemu/wait.ts';
import type { Live } from './outcome.ts';
import type { TestEvent } from './stages.ts';

const INTERVAL_MS = 500;
/** Erase in line (ECMA-48, EL), from its beginning on. */
const ERASE = '\r\x1b[2K';

/**
 * One line at the bottom of a terminal: how many tests are done, how many failed, which ones run and for how long.
 * Undefined when `stream` is no terminal: a log has the tests' own lines.
 */
export function liveLine(stream: NodeJS.WriteStream): Live | undefined {
  if (!stream.isTTY) return undefined;
  const state = createProgress();
  let shown = false;
  const hide = (): void => {
    if (shown) stream.write(ERASE);
    shown = false;
  };
  const timer = setInterval(() => {
    const line = state.line(performance.now(), stream.columns || 80);
    hide();
    if (line === '') return;
    stream.write(line);
    shown = true;
  }, INTERVAL_MS);
  timer.unref();
  return {
    see: (event) => state.see(event, performance.now()),
    hide,
    end: () => {
      clearInterval(timer);
      hide();
    },
  };
}

/** The text of the line, made from node:test's events; empty while no test runs. Exported for its test. */
export function createProgress(): {
  see(event: TestEvent, now: number): void;
  line(now: number, columns: number): string;
} {
  interface Running {
    readonly name: string;
    readonly nesting: number;
    readonly since: number;
  }
  const running = new Map<string, Running>();
  const parents = new Set<string>();
  let last: { key: string; nesting: number } | undefined;
  let known = 0;
  let done = 0;
  let failed = 0;

  function see({ type, data }: TestEvent, now: number): void {
    const { name = '', file = '', nesting = 0, details } = data;
    if (name === file) return; // node:test reports a file like a test
    const key = `${file}\n${name}`;
    if (type === 'test:enqueue') {
      known += 1;
      if (last && nesting > last.nesting && running.delete(last.key)) {
        parents.add(last.key);
        known -= 1;
      }
    } else if (type === 'test:dequeue') {
      running.set(key, { name, nesting, since: now });
      last = { key, nesting };
    } else if (type === 'test:complete' && !parents.delete(key)) {
      running.delete(key);
      done += 1;
      if (details?.error !== undefined) failed += 1;
    }
  }

  function line(now: number, columns: number): string {
    if (running.size === 0) return '';
    const said = [
      `${done} of ${known} done`,
      ...(failed > 0 ? [`${failed} FAILED`] : []),
      ...[...running.values()].map(({ name, since }) => `${name} ${seconds(now - since)}`),
    ].join(' · ');
    return said.length < columns ? said : `${said.slice(0, columns - 2)}…`;
  }

  return { see, line };
}
