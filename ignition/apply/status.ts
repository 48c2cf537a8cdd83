import { formatBytes } from '../../sdk/lib/bytes.ts';
import { Failure } from '../../sdk/lib/errors.ts';
import { failureOf, onHost } from './session.ts';

/** What a box says of its release (packages/box/cli/report.ts); what is not shown is left out. */
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

/** One machine, as the table has it. */
export interface HostStatus {
  readonly host: string;
  /** Why the machine could not be asked; all else is missing then. */
  readonly error?: string;
  readonly image?: string;
  readonly version?: string;
  readonly channel?: string;
  /** `on trial`, `staged VERSION`, `VERSION rejected: REASON`, or nothing. */
  readonly update?: string;
  /** Seconds. */
  readonly uptime?: number;
  /** Of the state partition: bytes that are free, and percent that are taken. */
  readonly room?: { readonly free: number; readonly percent: number };
  /** ZFS pools: their state as zpool-list(8) has it, and percent that are taken. */
  readonly pools?: readonly { readonly name: string; readonly state: string; readonly percent: number }[];
  /** How many units have failed. */
  readonly failedUnits?: number;
  /** Worst first. */
  readonly health?: BoxHealth['conditions'];
}

/** One connection for all that is asked. Each answer is a line, the last one a line a pool. */
const QUESTIONS = [
  ...['draisine status --json', 'echo', 'draisine health --json', 'echo', 'cut -d. -f1 /proc/uptime'],
  'df -B1 --output=avail,pcent /var | tail -n 1',
  'systemctl list-units --state=failed --plain --no-legend | wc -l',
  // A machine without pools may not have loaded ZFS.
  '{ zpool list -H -o name,health,capacity 2>/dev/null || true; }',
].join(' && ');

/** What is told by programs that are not ours: room, failed units, pools. */
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
  const last = rejected.at(-1);
  return last && last.version !== version ? `${last.version} rejected: ${last.reason}` : '';
}

/** Asks a machine how it is. That it cannot be asked is an answer, too. */
export async function statusOf(host: string): Promise<HostStatus> {
  try {
    const answer = await onHost(host, ['sh', '-c', QUESTIONS]);
    if (answer.code !== 0) throw failureOf(host, 'it could not be asked', answer);
    const lines = answer.stdout.split('\n').filter((line) => line !== '');
    const [status = '', health = '', uptime = '', ...machine] = lines;
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
    if (error instanceof SyntaxError) return { host, error: 'it does not answer as a Draisine does' };
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

/** A table for people: a line a machine, and below it what is wrong with it. */
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
