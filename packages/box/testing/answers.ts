import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { shellWord } from '../../../sdk/lib/shell.ts';
import { FakeBox } from '../io/fake.ts';

/*
 * Answers of real programs. The VM test system.answers asks a running machine these questions, and compares the answers
 * with the recorded ones, which unit tests give to the code of the box.
 */

/** A command whose output the code of the box parses. */
export interface Question {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Only these blocks of `systemctl show`, or lines of another program, are kept: others differ from image to image. */
  readonly only?: RegExp;
}

/** The answer of a program. Streams as lines, so that a difference between two recordings can be read. */
export interface Answer {
  readonly code: number;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

/** Timers of the jobs in system.answers. The job of `late` does not end; the dataset `gone` has no timer. */
export const TIMERS = {
  ran: 'snapshot-tank-a\\x2db-hourly.timer',
  missing: 'snapshot-tank-gone-daily.timer',
  stopped: 'scrub-tank.timer',
  running: 'replicate-late.timer',
} as const;

/** Containers in system.answers; all but `done` run, and `plain` has no health check. */
export const CONTAINERS = ['web', 'sick', 'plain', 'done'] as const;

/** The file with the key of encrypted datasets. */
export const KEY = '/var/lib/key';

/** The snapshot of tank/a-b. */
export const SNAPSHOT = 'tank/a-b@auto-hourly-20260101T000000Z';

const ask = (line: string, more: Omit<Question, 'argv'> = {}): Question => ({
  argv: line.split(' '),
  ...more,
});
const show = (properties: string, names: readonly string[], more: Omit<Question, 'argv'> = {}): Question => ({
  ...{ argv: ['systemctl', 'show', `--property=${properties}`, '--', ...names] },
  ...more,
});
const units = (words: string, only: RegExp): Question =>
  ask(`systemctl --no-pager --plain --no-legend ${words}`, { only });
const smart = (type: string, device: string): Question =>
  ask(`smartctl --json=c --nocheck=standby --info --health --attributes --log=selftest -d ${type} ${device}`);
const findmnt = (words: string, path: string): Question => ({
  argv: ['findmnt', '--noheadings', ...words.split(' '), '--target', path],
});
const lsblk = (name: string): Question =>
  ask(`lsblk --json --bytes --output NAME,SIZE,MODEL,SERIAL,TRAN,RM,TYPE,MOUNTPOINT /dev/${name}`);

const OURS = /\b(broken|limited|flaps|missing|ssh)\.service\b/;

/**
 * The commands whose output is parsed. Left out are those that tell no more than an exit code, a path, a digest or whether
 * there is something, and curl, ssh and programs of Draisine.
 */
export const QUESTIONS: readonly Question[] = [
  ask('zpool status --json -p -P'),
  ask('zpool get -H -o property,value all tank'),
  ask('zpool get -H -o property,value all dirty'),
  ask('zpool list -vHLP'),
  ask('zfs list -Hp -t filesystem -o name,used,quota,referenced,refquota'),
  ask('zfs list -Hp -d 1 -t snapshot -o name,creation -s createtxg tank/a-b'),
  ask('zfs list -Hp -d 1 -t snapshot -o name,creation -s createtxg tank/gone'),
  ask('zfs get -H -o value keystatus tank/locked'),
  ask('zfs get -H -o value keystatus tank/open'),
  ...['tank/half', 'tank/a-b', 'tank/gone'].map((name) =>
    ask(`zfs get -Hp -o value receive_resume_token ${name}`),
  ),
  ask('zfs list -Hp -d 1 -t snapshot -o name,guid,createtxg -s createtxg tank/half'),
  ask('zfs list -Hp -d 1 -t snapshot -o name,guid,createtxg -s createtxg tank/a-b'),
  ask('zfs list -Hp -d 1 -t snapshot,bookmark -o name,guid,createtxg -s createtxg tank/a-b'),
  ask('zfs get -Hp -o value encryption tank/a-b'),
  ask('zfs get -Hp -o value encryption tank/locked'),
  ask('zfs list -Hp -d 1 -t snapshot,bookmark -o name,guid,createtxg -s createtxg tank/locked'),
  ask('zfs list -H -o name,encryptionroot,keylocation -t filesystem,volume'),
  ask('smartctl --scan-open --json'),
  smart('sat', '/dev/sda'),
  smart('nvme', '/dev/nvme0'),
  show('Id,ActiveState,SubState,LastTriggerUSec,NextElapseUSecRealtime', Object.values(TIMERS), {
    env: { TZ: 'UTC' },
  }),
  show('Unit', ['*.timer'], { only: /^Unit=(snapshot|replicate|fstrim)/ }),
  show('Id,NRestarts,SubState,ActiveEnterTimestampMonotonic', ['*.service'], { only: OURS }),
  show('Id,Result,NRestarts', ['broken.service', 'limited.service']),
  show('Id,LoadState,ActiveState,SubState,ConditionResult', [
    ...['ssh.service', 'broken.service', 'never.service', 'missing.service'],
  ]),
  ask('systemctl show --property=ActiveState --value -- broken.service'),
  units('list-dependencies multi-user.target', /\b(multi-user\.target|ssh\.service|fstrim\.timer)/),
  units('--full list-units --all', OURS),
  units('--full list-units --all --state=failed', OURS),
  ask(
    'journalctl --boot --quiet --output=json --output-fields=UNIT --lines=5 MESSAGE_ID=5eb03494b6584870a536b337290809b3 UNIT=flaps.service',
  ),
  ask('journalctl --vacuum-size=64M'),
  ask('podman ps --all --format json'),
  ask('podman images --format json'),
  ask('ip -4 -json route show default'),
  ask('ip -6 -json route show default'),
  ask('df -B1 --output=avail,pcent,fstype /var'),
  ask('df --output=pcent,ipcent /var'),
  ask('df --output=pcent,ipcent,target -t ext4 -t xfs -t btrfs -t vfat'),
  ...[KEY, '/home', '/srv/my data', '/run'].map((path) => findmnt('--output FSTYPE,TARGET', path)),
  ...['/home', '/srv/my data', '/'].map((path) => findmnt('--raw --output MAJ:MIN,FSROOT,TARGET', path)),
  ...['sda', 'nvme0n1', 'vda'].map(lsblk),
  ask('lsblk --noheadings --raw --paths --output NAME,LABEL,PARTLABEL'),
  ask('wipefs --noheadings --output TYPE,LABEL /dev/sda'),
  ask('wipefs --noheadings --output TYPE,LABEL /dev/sda1'),
  ask('dmsetup table usr'),
];

/** A command as a line of a shell: the key of its answer. */
export const lineOf = (argv: readonly string[]): string => argv.map(shellWord).join(' ');

/** The file with the recorded answers. */
export const RECORDED = fileURLToPath(new URL('./answers.json', import.meta.url));

/** The recorded answers, by command line. */
export const recorded: Readonly<Record<string, Answer>> = JSON.parse(readFileSync(RECORDED, 'utf8'));

const HOW = 'DRAISINE_RECORD=1 ./draisine kola run system.answers records it';

/** The recorded output of a program. Throws if it was not recorded. */
export function recordedText(argv: readonly string[], stream: 'stdout' | 'stderr' = 'stdout'): string {
  const answer = recorded[lineOf(argv)];
  if (answer) return answer[stream].join('\n');
  throw new Error(`no answer is recorded: add the command to QUESTIONS, then ${HOW}: ${lineOf(argv)}`);
}

/** A fake box whose programs give the recorded answers. `ssh` runs its command here. */
export function recordedBox(now?: string): FakeBox {
  const box = new FakeBox(now);
  const answer = (argv: readonly string[]) => ({
    ...{ stdout: recordedText(argv), stderr: recordedText(argv, 'stderr') },
    code: recorded[lineOf(argv)]?.code ?? 0,
  });
  for (const name of new Set(QUESTIONS.map(({ argv }) => argv[0]!))) box.program(name, answer);
  return box.program('ssh', (argv) => box.run(argv.slice(argv.indexOf('--') + 2)));
}

/** One JSON value with a line for each of its parts, because a program may print it as one long line. */
function tidy(text: string): string {
  try {
    return `${JSON.stringify(JSON.parse(text), null, 1)}\n`;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return text;
  }
}

/** The answer of a program, in the form in which it is recorded. */
export function answerOf(
  { argv, only }: Question,
  ran: { readonly code: number; readonly stdout: string; readonly stderr: string },
): Answer {
  const gap = argv[1] === 'show' ? '\n\n' : '\n';
  const parts = only
    ? ran.stdout
        .trimEnd()
        .split(gap)
        .filter((part) => only.test(part))
    : undefined;
  const stdout = parts ? `${parts.join(gap)}\n` : tidy(ran.stdout);
  return { code: ran.code, stdout: stdout.split('\n'), stderr: ran.stderr.split('\n') };
}

/** journalctl prints the fields of a message in any order. */
function sorted(line: string): string {
  if (!/^\{.+\}$/.test(line)) return line;
  const fields = Object.entries(JSON.parse(line) as object);
  return JSON.stringify(Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** A line without what differs from run to run: numbers, times, identifiers, the width of columns. */
export function shapeOf(line: string): string {
  return sorted(line)
    .replace(/(__CURSOR":")[^"]*/, '$1')
    .replaceAll(/\b1-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+\b/g, 'TOKEN')
    .replaceAll(/\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b/g, 'DAY')
    .replaceAll(/\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b/g, 'MONTH')
    .replaceAll(/\b(Less than a second|About an? [a-z]+|\d+ (seconds?|minutes?|hours?))\b/g, 'TIME')
    .replaceAll(/\b(?=[a-f]*\d)[0-9a-f]{6,}\b/g, '0')
    .replaceAll(/\d+(\.\d+)?([BKMGT]\b)?/g, '0')
    .replaceAll(/\s+/g, ' ');
}

/**
 * The differences between the shapes of two answers, as lines that begin with `-` and `+`. The order of lines does not
 * count: systemctl and journalctl print units and folders in any order.
 */
export function changesOf(before: Answer | undefined, now: Answer): string[] {
  const shapes = ({ code, stdout, stderr }: Answer) =>
    [`exit code ${String(code)}`, ...[...stdout, ...stderr].map(shapeOf)].sort();
  const [was, is] = [before ? shapes(before) : [], shapes(now)];
  const changes = [
    ...was.filter((line) => !is.includes(line)).map((line) => `- ${line}`),
    ...is.filter((line) => !was.includes(line)).map((line) => `+ ${line}`),
  ];
  return changes.length > 0 || was.join('\n') === is.join('\n')
    ? changes
    : ['the same lines, in another number'];
}

/** The question of `systemctl show` for these properties, `Id,Result,NRestarts`. */
const showFor = (properties: string): Question => {
  const found = QUESTIONS.find(({ argv }) => argv[2] === `--property=${properties}`);
  if (found) return found;
  throw new Error(`no answer is recorded: add it to QUESTIONS, then ${HOW}: systemctl show ${properties}`);
};

/**
 * A block of `systemctl show` with some values of a test, in the recorded order. Throws for a property that was not
 * printed, and for a value of several words whose shape no recorded value has.
 */
export function showLike(properties: string, values: Readonly<Record<string, string>>): string {
  const lines = recordedText(showFor(properties).argv).split('\n');
  const names = [...new Set(lines.map((line) => line.split('=')[0]!).filter((name) => name !== ''))];
  const strange = Object.entries(values).find(
    ([name, value]) =>
      !names.includes(name) ||
      (/\s/.test(value) && !lines.some((line) => shapeOf(line) === shapeOf(`${name}=${value}`))),
  );
  if (strange) throw new Error(`systemctl show does not print ${strange.join('=')}`);
  return names.map((name) => `${name}=${values[name] ?? ''}`).join('\n');
}

/** Returns `made`. Throws if it has a field, or a type of a field, that a recorded answer does not have. */
export function sameForm<T>(real: unknown, made: T, where = 'it'): T {
  if (Array.isArray(made) && Array.isArray(real)) {
    for (const one of made) sameForm(real[0], one, `${where}[]`);
  } else if (typeof made === 'object' && made !== null && !Array.isArray(made)) {
    const fields = (real ?? {}) as Record<string, unknown>;
    for (const [name, value] of Object.entries(made)) {
      if (!Object.hasOwn(fields, name)) throw new Error(`the program does not print ${where}.${name}`);
      sameForm(fields[name], value, `${where}.${name}`);
    }
  } else if (real !== null && made !== null && typeof real !== typeof made)
    throw new Error(`${where} is ${typeof made}, but the program prints ${typeof real}`);
  return made;
}
