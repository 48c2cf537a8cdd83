import { compareVersions } from '../../build/release/format/version.ts';
import { formatBytes } from '../../sdk/lib/bytes.ts';
import { Failure } from '../../sdk/lib/errors.ts';
import { failureOf, onHost } from './session.ts';

/**
 * The box's report of its release (packages/box/cli/report.ts), without the fields that the table does not
 * show.
 */
interface BoxStatus {
  readonly image: string;
  readonly version: string;
  readonly channel?: string;
  readonly trial?: object;
  readonly staged?: { readonly version: string };
  readonly rejected: readonly { readonly version: string; readonly reason: string }[];
}

interface BoxHealth {
  readonly conditions: readonly { readonly severity: 'info' | 'warning' | 'error'; readonly text: string }[];
}

/** One machine of the table. */
export interface HostStatus {
  readonly host: string;
  /** The reason why the machine could not be asked. All other fields are then missing. */
  readonly error?: string;
  readonly image?: string;
  readonly version?: string;
  readonly channel?: string;
  /** `on trial`, `staged VERSION`, `VERSION rejected: REASON`, or nothing. */
  readonly update?: string;
  /** Seconds. */
  readonly uptime?: number;
  /** The state partition: free bytes, and used space in percent. */
  readonly room?: { readonly free: number; readonly percent: number };
  /** ZFS pools: state as in zpool-list(8), and used space in percent. */
  readonly pools?: readonly { readonly name: string; readonly state: string; readonly percent: number }[];
  /** Number of failed units. */
  readonly failedUnits?: number;
  /** The problems, the worst first. */
  readonly health?: BoxHealth['conditions'];
}

/** A line between the documents and the other answers. A document has several lines. */
const NEXT = '--- next ---';

/**
 * All questions go over one connection: two documents, then answers of one line each, and at the end a line
 * for each pool.
 */
const QUESTIONS = [
  ...['draisine status --json', `echo '${NEXT}'`, 'draisine health --json', `echo '${NEXT}'`],
  'cut -d. -f1 /proc/uptime',
  'df -B1 --output=avail,pcent /var | tail -n 1',
  // Without health checks of containers, as the box counts (packages/box/trial/baseline.ts).
  "systemctl list-units --state=failed --plain --no-legend | sed '/^[0-9a-f]\\{64\\}-/d' | wc -l",
  // The module zfs may not be loaded on a machine without pools.
  '{ zpool list -H -o name,health,capacity 2>/dev/null || true; }',
].join(' && ');

/** Reads the answers of other programs: free space, failed units, pools. */
function machineOf([room = '', failed = '', ...pools]: readonly string[]) {
  const [free, percent] = room.trim().split(/\s+/).map(Number.parseFloat);
  return {
    room: { free: free ?? 0, percent: percent ?? 0 },
    failedUnits: Number(failed),
    pools: pools.map((line) => {
      const [name = '', state = '', taken = ''] = line.split('\t');
      return { name, state, percent: Number.parseFloat(taken) };
    }),
  };
}

function updateOf({ trial, staged, rejected, version }: BoxStatus): string {
  if (trial !== undefined && trial !== null) return 'on trial';
  if (staged) return `${staged.version} staged`;
  const last = rejected.filter((each) => compareVersions(each.version, version) > 0).at(-1);
  return last ? `${last.version} rejected: ${last.reason}` : '';
}

/** Asks a machine for its state. A machine that cannot be asked is a row with `error`, not a failure. */
export async function statusOf(host: string): Promise<HostStatus> {
  try {
    const answer = await onHost(host, ['sh', '-c', QUESTIONS]);
    if (answer.code !== 0) throw failureOf(host, 'it could not be asked', answer);
    const [status = '', health = '', rest = ''] = answer.stdout.split(`${NEXT}\n`);
    const [uptime = '', ...machine] = rest.split('\n').filter((line) => line !== '');
    const said = JSON.parse(status) as BoxStatus;
    const rank = { error: 0, warning: 1, info: 2 };
    const conditions = (JSON.parse(health) as BoxHealth).conditions.filter(
      ({ severity }) => severity !== 'info',
    );
    return {
      ...{ host, image: said.image, version: said.version, update: updateOf(said), uptime: Number(uptime) },
      ...(said.channel === undefined ? {} : { channel: said.channel }),
      ...machineOf(machine),
      health: conditions.sort((a, b) => rank[a.severity] - rank[b.severity]),
    };
  } catch (error) {
    if (error instanceof SyntaxError)
      return { host, error: 'its answer is not one of Draisine: is it another system?' };
    if (error instanceof Failure) return { host, error: error.message };
    throw error;
  }
}

function age(seconds: number | undefined): string {
  if (seconds === undefined) return '';
  if (seconds >= 172_800) return `${Math.floor(seconds / 86_400)} d`;
  return seconds >= 7200 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 60)} min`;
}

function roomText({ room }: HostStatus): string {
  return room ? `${formatBytes(room.free)} (${room.percent} %)` : '';
}

function poolsText({ pools = [] }: HostStatus): string {
  return pools
    .map(({ name, state, percent }) => `${name} ${state === 'ONLINE' ? '' : `${state} `}${percent} %`)
    .join(', ');
}

/** A table for people: one line for each machine, with its problems below. */
export function statusTable(all: readonly HostStatus[]): string {
  const head = ['HOST', 'VERSION', 'CHANNEL', 'UP', 'ROOM', 'POOLS', 'FAILED', 'HEALTH', 'UPDATE'];
  const rows = all.map((one) =>
    one.error === undefined
      ? [
          ...[one.host, one.version ?? '', one.channel ?? '', age(one.uptime)],
          ...[roomText(one), poolsText(one), one.failedUnits ? String(one.failedUnits) : ''],
          ...[one.health?.length ? `${one.health.length} wrong` : 'well', one.update ?? ''],
        ]
      : [one.host, '-', '', '', '', '', '', 'silent', ''],
  );
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const details = (one: HostStatus): string[] => [
    ...(one.error === undefined ? [] : [`  ${one.error}`]),
    ...(one.health ?? []).map(({ severity, text }) => `  ${severity}: ${text}`),
  ];
  return [
    line(head),
    ...rows.flatMap((row, index) => [line(row), ...details(all[index] ?? { host: '' })]),
  ].join('\n');
}
