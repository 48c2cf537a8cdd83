import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { badInput, errorCode, ifThereSync } from '../../../sdk/lib/errors.ts';
import { byteOrder } from '../../../sdk/lib/files.ts';

/**
 * Longest path of the folder: sun_path of unix(7) has 108 bytes with its NUL, and the longest socket name of a machine
 * is `/NNN/console.sock`.
 */
const LONGEST_RUN_DIR = 107 - '/999/console.sock'.length;

let own: string | undefined;
let machines = 0;

/**
 * A folder for a machine's sockets, overlays and process id. Its path is short because of the sockets. It is removed
 * with the machine, or when this process ends. If this process is killed, its supervisors or the next run remove it.
 */
export async function newMachineDir(): Promise<string> {
  machines += 1;
  const number = machines; // Other calls may take numbers while this one waits.
  const dir = join(await processDir(), String(number));
  await mkdir(dir, { mode: 0o700 });
  return dir;
}

async function processDir(): Promise<string> {
  if (own) return own;
  const dir = join(baseDir(), `${process.pid}-${startTimeOf(process.pid)}`);
  if (Buffer.byteLength(dir) > LONGEST_RUN_DIR) {
    throw badInput('the folder for temporary files has too long a path for unix sockets', {
      where: dir,
      hint: 'set TMPDIR to a shorter one',
    });
  }
  await mkdir(dir, { recursive: true, mode: 0o700 });
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  own = dir;
  return dir;
}

function baseDir(): string {
  return join(tmpdir(), `draisine-kola-${process.getuid?.()}`);
}

/** Ends the machines and removes the folders of killed runs. Returns one line for the log about each. */
export function sweep(base = baseDir()): string[] {
  const swept: string[] = [];
  for (const name of list(base)) {
    const [pid, start] = name.split('-').map(Number);
    if (pid === undefined || start === undefined || startTimeOf(pid) === start) continue;
    const dir = join(base, name);
    for (const machine of list(dir)) {
      const qemu = qemuOf(join(dir, machine));
      if (qemu === undefined) continue;
      process.kill(qemu, 'SIGKILL');
      swept.push(`ended QEMU ${qemu}, left behind by process ${pid}`);
    }
    rmSync(dir, { recursive: true, force: true });
    swept.push(`removed ${dir}`);
  }
  return swept;
}

/**
 * Removes files that killed verbs of the command line left in the folder for temporary files. Their names are
 * `draisine-WHAT-PID-…`: unpacked images, and disks of crash states, take gigabytes. Files of other users stay.
 */
export function sweepTemporary(base = tmpdir()): string[] {
  const gone = list(base).filter((name) => {
    const pid = /^draisine-[a-z]+-(\d+)-/.exec(name)?.[1];
    return pid !== undefined && startTimeOf(Number(pid)) === undefined && isOwn(join(base, name));
  });
  return gone.map((name) => {
    rmSync(join(base, name), { recursive: true, force: true });
    return `removed ${join(base, name)}`;
  });
}

/** Whether this user owns a path. False if another run removed it meanwhile. */
function isOwn(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.uid === process.getuid?.();
}

/** The running QEMU of a machine's folder. Its command line names the folder, so a reused process id does not count. */
function qemuOf(dir: string): number | undefined {
  const pid = Number(read(join(dir, 'qemu.pid')));
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  return read(`/proc/${pid}/cmdline`)?.includes(`${dir}/`) ? pid : undefined;
}

/** Start time of a process in clock ticks since boot (field 22 of proc_pid_stat(5)); undefined if it has ended. */
export function startTimeOf(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // Field 2, the name in parentheses, may hold spaces and parentheses itself.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

function list(dir: string): string[] {
  return ifThereSync(() => readdirSync(dir).sort(byteOrder)) ?? [];
}
