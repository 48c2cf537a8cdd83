import { type Box, folderOf, mustRun } from '../io/box.ts';

/** A device of a pool, or a group of them. */
export interface Vdev {
  readonly guid: string;
  readonly name: string;
  /** ONLINE, DEGRADED, FAULTED, OFFLINE, UNAVAIL, REMOVED (zpoolconcepts(7)); AVAIL and INUSE of spares. */
  readonly state: string;
  /** Read, write and checksum errors since the import. */
  readonly errors: number;
  /** Part of a replacement (`replacing-0`, `spare-0`, and devices in them). When it has ended, they may be gone. */
  readonly passing?: true;
}

/** The last scrub or resilver, or the running one. */
export interface Scan {
  readonly kind: 'scrub' | 'resilver';
  /** Milliseconds since 1970; undefined if it has not ended. */
  readonly end: number | undefined;
}

/** A pool, as in zpool-status(8). */
export interface Pool {
  readonly name: string;
  readonly state: string;
  readonly vdevs: readonly Vdev[];
  /** Undefined if there was none yet. */
  readonly scan?: Scan | undefined;
  /** Number of errors in its data that no copy could repair. They stay in its log over a restart. */
  readonly damaged?: number | undefined;
  /** Used space in percent; undefined if the pool does not tell it. */
  readonly used?: number | undefined;
}

interface RawVdev {
  readonly name?: string;
  readonly path?: string;
  readonly guid?: string | number;
  readonly state?: string;
  readonly read_errors?: string | number;
  readonly write_errors?: string | number;
  readonly checksum_errors?: string | number;
  /** Bytes. ZFS leaves them out if they are 0. */
  readonly alloc_space?: string | number;
  readonly total_space?: string | number;
  readonly vdevs?: Readonly<Record<string, RawVdev>>;
}

interface RawScan {
  readonly function?: string;
  readonly state?: string;
  readonly end_time?: string | number;
  readonly errors?: string | number;
}

function scanOf(raw: RawScan | undefined): Scan | undefined {
  const kind = raw?.function?.toLowerCase();
  if (raw === undefined || (kind !== 'scrub' && kind !== 'resilver')) return undefined;
  const end = Number(raw.end_time ?? 0);
  const ended = raw.state === 'FINISHED' && Number.isFinite(end) && end > 0;
  return { kind, end: ended ? 1000 * end : undefined };
}

/** The same as the capacity in zpool-list(8). */
function usedOf({ alloc_space: used = 0, total_space: all = 0 }: RawVdev): number | undefined {
  return Number(all) > 0 ? Math.floor((100 * Number(used)) / Number(all)) : undefined;
}

const GROUPS = ['vdevs', 'dedup', 'special', 'logs', 'l2cache', 'spares'] as const;

/** Whether the zfs module is loaded: a question for pools would load it. */
export function hasZfs(box: Box): boolean {
  return box.stat('/proc/spl/kstat/zfs') !== undefined;
}

function flatten(vdevs: Readonly<Record<string, RawVdev>> | undefined, within = false): Vdev[] {
  return Object.entries(vdevs ?? {}).flatMap(([key, raw]) => {
    const count = (value: string | number | undefined) => Number(value ?? 0) || 0;
    const errors = count(raw.read_errors) + count(raw.write_errors) + count(raw.checksum_errors);
    const passing = within || /^(replacing|spare)-\d+$/.test(raw.name ?? key);
    const self = {
      guid: String(raw.guid ?? key),
      name: raw.path ?? raw.name ?? key,
      state: raw.state ?? 'ONLINE',
      errors,
      ...(passing ? { passing: true as const } : {}),
    };
    return [self, ...flatten(raw.vdevs, passing)];
  });
}

/** Parses `zpool status --json` (zpool-status(8)). */
export function parsePools(text: string): Pool[] {
  const { pools } = JSON.parse(text) as {
    pools?: Record<
      string,
      RawVdev &
        Record<(typeof GROUPS)[number], Record<string, RawVdev> | undefined> & {
          scan_stats?: RawScan;
          error_count?: string | number;
        }
    >;
  };
  return Object.entries(pools ?? {}).map(([name, raw]) => ({
    name,
    state: raw.state ?? 'UNKNOWN',
    vdevs: GROUPS.flatMap((group) => flatten(raw[group])),
    scan: scanOf(raw.scan_stats),
    damaged: Number(raw.error_count ?? raw.scan_stats?.errors ?? 0) || 0,
    used: usedOf(raw.vdevs?.[name] ?? {}),
  }));
}

/** The imported pools. */
export function importedPools(box: Box): Pool[] {
  if (!hasZfs(box)) return [];
  return parsePools(
    mustRun(box, 'cannot list the pools', ['zpool', 'status', '--json', '-p', '-P'], {
      timeoutSeconds: 60,
    }),
  );
}

/** Parts of a pool that got worse, as sentences. Faults of before do not count. */
export function poolLosses(before: Pool, now: Pool | undefined): string[] {
  if (!now) return [`pool ${before.name} is not imported`];
  const losses: string[] = [];
  const good = (state: string) => state === 'ONLINE' || state === 'AVAIL' || state === 'INUSE';
  for (const old of before.vdevs) {
    const found = now.vdevs.find(({ guid }) => guid === old.guid);
    if (!found) losses.push(...(old.passing ? [] : [`pool ${before.name} has lost ${old.name}`]));
    else if (good(old.state) && !good(found.state))
      losses.push(`pool ${before.name}: ${old.name} was ${old.state} and is ${found.state}`);
    else if (found.errors > old.errors)
      losses.push(`pool ${before.name}: ${old.name} has ${found.errors} errors and had ${old.errors}`);
  }
  if (losses.length === 0 && before.state === 'ONLINE' && now.state !== 'ONLINE')
    losses.push(`pool ${before.name} was ONLINE and is ${now.state}`);
  return losses;
}

/** Seconds to wait for disks, which may be slow to appear. */
const PATIENCE = 60;

/** Folders of a pool's disks, by its former paths. */
function foldersOf({ vdevs }: Pool): string[] {
  return [...new Set(vdevs.flatMap(({ name }) => (name.startsWith('/dev/') ? [folderOf(name)] : [])))];
}

function waitForDisks(box: Box, before: readonly Pool[]): void {
  const paths = before
    .flatMap(({ vdevs }) => vdevs.map(({ name }) => name))
    .filter((name) => name.startsWith('/dev/'));
  for (let second = 0; second < PATIENCE && paths.some((path) => box.stat(path) === undefined); second++)
    box.sleep(1000);
  // It fails if a disk is slow. Then the pools of other disks are read all the same.
  box.run(['udevadm', 'settle', '--timeout=60']);
}

/**
 * Reads pools before anything is written to them: each is imported read-only without its file systems,
 * compared with its former state, and exported. Returns the faults, as sentences.
 */
export function readFirst(box: Box, before: readonly Pool[]): string[] {
  waitForDisks(box, before);
  mustRun(box, 'cannot load the module', ['modprobe', 'zfs']);
  return before.flatMap((pool) => {
    const { name } = pool;
    // Exporting a pool takes it out of /etc/zfs/zpool.cache, also one that was imported with cachefile=none: the module
    // has that path in its list (spa_add() in module/zfs/spa_misc.c). With an alternate root it has not.
    const options = ['-o', 'readonly=on', '-N', '-R', '/run/draisine/pools'];
    const where = foldersOf(pool).flatMap((folder) => ['-d', folder]);
    const imported = box.run(['zpool', 'import', ...where, ...options, name], { timeoutSeconds: 300 });
    if (imported.code !== 0) return [`pool ${name} cannot be imported: ${lastLine(imported.stderr)}`];
    try {
      const now = importedPools(box).find((each) => each.name === name);
      return poolLosses(pool, now);
    } finally {
      mustRun(box, `cannot export pool ${name} again`, ['zpool', 'export', name], { timeoutSeconds: 300 });
    }
  });
}

const lastLine = (text: string) => text.trim().split('\n').at(-1) ?? '';
