import { noted } from '../../sdk/lib/json.ts';
import { lastPath } from './explain.ts';
import type { Planned } from './plan.ts';
import { readRecord } from './record.ts';
import { formatSeconds } from './report.ts';
import { isDigest, type Store } from './store.ts';

/** A target that a build would run, and an estimate of its duration. */
export interface Forecast extends Planned {
  /** Milliseconds: its last duration here, or else the one on a host like that of docs/measured.md. */
  readonly ms: number;
}

/** The slowest targets by far, in seconds, measured on two cores; the first match counts. */
const TABLE: readonly (readonly [RegExp, number])[] = [
  // The kernel itself, not its options, configuration, certificate and headers.
  [/^kernel-(?!(options|fragment|config|certificate|headers|drivers)\b)/, 1200],
  [/^zfs-/, 200],
  [/^deb:|^source:/, 0.3],
  [/:(usr|disk|iso|sbom)\b/, 8],
];
const TYPICAL_SECONDS = 1;

/** Targets of at least this duration are named one by one. */
const LONG_MS = 20_000;
const MINUTE = 60_000;

/** Estimates the duration of each target of a plan. */
export function forecast(store: Store, plan: readonly Planned[]): readonly Forecast[] {
  return plan.map((planned) => ({ ...planned, ms: lastMs(store, planned.name) ?? tableMs(planned.name) }));
}

/**
 * The forecast as text: `kernel-n100 20 min, 44 more 1 min: about 21 min`. Targets that run only if their
 * inputs change are listed apart, without a part in the sum. Undefined if there is nothing to do.
 */
export function describeForecast(targets: readonly Forecast[]): string | undefined {
  const certain = targets.filter((target) => target.certain);
  const possible = targets.filter((target) => !target.certain);
  const parts = [
    ...(certain.length > 0 ? [describe(certain)] : []),
    ...(possible.length > 0 ? [`if inputs change: ${describe(possible)}`] : []),
  ];
  return parts.length > 0 ? parts.join('; ') : undefined;
}

function describe(targets: readonly Forecast[]): string {
  const long = targets.filter(({ ms }) => ms >= LONG_MS).sort((a, b) => b.ms - a.ms);
  const rest = targets.length - long.length;
  const sum = (of: readonly Forecast[]): number => of.reduce((total, { ms }) => total + ms, 0);
  const short = sum(targets) - sum(long);
  const more = long.length > 0 ? 'more' : `target${rest === 1 ? '' : 's'}`;
  const parts = [
    ...long.map(({ name, ms }) => `${name} ${roughly(ms)}`),
    ...(rest > 0 ? [`${rest} ${more} ${roughly(short)}`] : []),
  ];
  const total = parts.length > 1 ? `: about ${roughly(sum(targets))}` : '';
  return `${parts.join(', ')}${total}`;
}

/** Minutes; below two minutes, seconds. */
export function roughly(ms: number): string {
  if (ms >= 2 * MINUTE) return `${Math.round(ms / MINUTE)} min`;
  return ms < 1000 ? 'a second' : formatSeconds(Math.round(ms / 1000) * 1000).replace('.0 s', ' s');
}

function tableMs(name: string): number {
  const found = TABLE.find(([pattern]) => pattern.test(name));
  return 1000 * (found?.[1] ?? TYPICAL_SECONDS);
}

/** The duration of a target when this store last made it; undefined if it never did. */
function lastMs(store: Store, name: string): number | undefined {
  const key = noted(lastPath(store, name))?.key;
  return isDigest(key) ? readRecord(store, { key }, false)?.ms : undefined;
}
