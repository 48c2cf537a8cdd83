import { constants, existsSync } from 'node:fs';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDir } from '../../../sdk/lib/cache.ts';
import { errorCode, Failure } from '../../../sdk/lib/errors.ts';
import { sha256, writeAtomic } from '../../../sdk/lib/files.ts';
import { noted } from '../../../sdk/lib/json.ts';
import type { Artifact } from './artifacts.ts';
import type { Emulator } from './emulator.ts';
import { supervise } from './supervise.ts';
import { seconds, within } from './wait.ts';

/** How QEMU executes guest code. */
export interface Acceleration {
  readonly kind: 'kvm' | 'tcg';
  /** For `-accel` and `-cpu`. */
  readonly args: string;
  readonly cpu: string;
  /** Its name in a snapshot's key, because a state that one accelerator saved cannot be restored by another. */
  readonly identity: string;
  /** The choice and its reason, one line for the log. */
  readonly why: string;
  /** About how many times slower than native execution. Time limits are multiplied by it. */
  readonly slowness: number;
  /** Memory of the host in MiB that a machine uses in addition to its own. */
  readonly overhead: number;
  /**
   * Default number of a machine's processors. It is one under emulation: on a busy host, a second one sometimes loses
   * an interrupt of its timer, and Linux never sets that timer again ("rcu_preempt kthread timer wakeup didn't
   * happen").
   */
  readonly cpus: number;
  /** Words for the kernel's command line that guests need. */
  readonly kernelArguments: string;
}

/**
 * Limit of a boot with KVM. Under real virtualization, a kernel without a root file system panics after about a second.
 */
const KVM_LIMIT_MS = 8_000;
const TCG_LIMIT_MS = 120_000;
/** If a boot with KVM takes less than this, TCG need not be measured, because it is several times slower everywhere. */
const CLEARLY_FAST_MS = 2_000;

interface Verdict {
  readonly kind: Acceleration['kind'];
  readonly why: string;
  /** Frequency of the time-stamp counter in an emulated guest, in MHz; 0 if it is unknown. */
  readonly tscMHz: number;
}

/**
 * Chooses between KVM and TCG by a short boot of `kernel`. It is not enough that /dev/kvm opens, because on some hosts
 * the guest then hangs or is very slow. The verdict is kept for this boot of the host, this QEMU and this kernel.
 */
export async function probeAcceleration(emulator: Emulator, kernel: Artifact): Promise<Acceleration> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const cached = join(
    cacheDir(),
    'probe',
    `${sha256(`${boot}\n${emulator.version}\n${kernel.sha256}`)}.json`,
  );
  const known = readVerdict(cached);
  if (known) return acceleration(known);
  const refused = await kvmRefused();
  const verdict = refused
    ? await emulated(emulator, kernel.path, refused)
    : await compare(emulator, kernel.path);
  await writeAtomic(cached, JSON.stringify(verdict));
  return acceleration(verdict);
}

/** The acceleration that follows from a verdict. */
export function acceleration({ kind, why, tscMHz }: Verdict): Acceleration {
  if (kind === 'kvm') {
    const identity = `kvm ${cpus()[0]?.model ?? ''}`;
    return {
      kind,
      args: 'kvm',
      cpu: 'host',
      identity,
      why: `KVM: ${why}`,
      slowness: 1,
      overhead: 120,
      cpus: 2,
      kernelArguments: '',
    };
  }
  // la57=off: five-level page tables cost TCG a fifth of the boot time. With erms, fsrm and the like, the guest would
  // copy and clear with `rep movsb`, which TCG executes byte by byte. tb-size limits the translation cache (MiB).
  const args = 'tcg,thread=multi,tb-size=256';
  const cpu = 'max,la57=off,erms=off,fsrm=off,fzrm=off,fsrs=off';
  return {
    kind,
    args,
    cpu,
    identity: `${args} ${cpu}`,
    why: `TCG (emulation): ${why}`,
    slowness: 5,
    overhead: 350,
    cpus: 1,
    kernelArguments: `${timekeeping(tscMHz)} ${WITHOUT_WIPING} ${PATIENT_ZFS}`,
  };
}

/** Wiping memory at its allocation takes a sixth of an emulated boot, and no test here depends on it. */
const WITHOUT_WIPING = 'init_on_alloc=0';

/**
 * After `zpool create` has partitioned a disk, udev makes the kernel read the table again, and the partition disappears
 * for a moment. OpenZFS waits a second for it (zfs(4)). An emulated udev may take longer.
 */
const PATIENT_ZFS = 'zfs.zfs_vdev_open_timeout_ms=10000';

/**
 * On a busy host, an emulated guest measures its time-stamp counter wrongly against a timer chip. In 3 boots of 18 a
 * 2.6 GHz counter was taken for 100 MHz, and the guest's time ran 25 times too fast until it noticed. So the guest gets
 * the frequency on its command line. no_timer_check keeps it from giving up because of a late timer: "IO-APIC + timer
 * doesn't work!". KVM guests have a clock of the host (Documentation/admin-guide/kernel-parameters.txt).
 */
function timekeeping(tscMHz: number): string {
  return `no_timer_check${tscMHz > 0 ? ` tsc_early_khz=${tscMHz * 1000}` : ''}`;
}

/** The counter's frequency in MHz in a kernel's log, else 0. If there are two measurements, the HPET's is right. */
export function tscFrequency(log: string): number {
  const [, hpet] = /tsc: PIT calibration deviates from HPET: \d+ (\d+)/.exec(log) ?? [];
  const [, agreed] = /tsc: Detected (\d+(?:\.\d+)?) MHz/.exec(log) ?? [];
  return Math.round(hpet === undefined ? Number(agreed ?? 0) : Number(hpet) / 1000);
}

async function emulated(emulator: Emulator, kernel: string, why: string): Promise<Verdict> {
  const tcg = await timeEmulated(emulator, kernel);
  return { kind: 'tcg', why, tscMHz: tscFrequency(tcg.output) };
}

async function timeEmulated(emulator: Emulator, kernel: string): Promise<Timed> {
  const { args, cpu } = acceleration({ kind: 'tcg', why: '', tscMHz: 0 });
  return await timeBoot(emulator, kernel, ['-accel', args, '-cpu', cpu], TCG_LIMIT_MS);
}

async function kvmRefused(): Promise<string | undefined> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return `/dev/kvm is ${errorCode(error) === 'ENOENT' ? 'missing' : `not usable by this user (${errorCode(error)})`}`;
  }
}

async function compare(emulator: Emulator, kernel: string): Promise<Verdict> {
  const kvm = await timeBoot(emulator, kernel, ['-accel', 'kvm', '-cpu', 'host'], KVM_LIMIT_MS);
  if (kvm.ms === undefined) return await emulated(emulator, kernel, `/dev/kvm opens, but ${kvm.trouble}`);
  const native = { kind: 'kvm', tscMHz: 0 } as const;
  if (kvm.ms < CLEARLY_FAST_MS) return { ...native, why: `booted a kernel in ${seconds(kvm.ms)}` };
  const tcg = await timeEmulated(emulator, kernel);
  if (tcg.ms !== undefined && tcg.ms <= kvm.ms) {
    const why = `KVM booted a kernel in ${seconds(kvm.ms)}, emulation in ${seconds(tcg.ms)}`;
    return { kind: 'tcg', why, tscMHz: tscFrequency(tcg.output) };
  }
  const other = tcg.ms ? seconds(tcg.ms) : 'longer';
  return { ...native, why: `booted a kernel in ${seconds(kvm.ms)}, emulation took ${other}` };
}

type Timed = { readonly output: string } & (
  | { readonly ms: number; readonly trouble?: never }
  | { readonly ms?: undefined; readonly trouble: string }
);

/**
 * Boots a kernel without a root file system, and takes the time. The kernel panics and resets, and `-no-reboot` then
 * ends QEMU.
 */
async function timeBoot(
  emulator: Emulator,
  kernel: string,
  accel: readonly string[],
  limitMs: number,
): Promise<Timed> {
  const dir = await mkdtemp(join(tmpdir(), `draisine-probe-${process.pid}-`));
  try {
    const log = join(dir, 'console');
    const start = performance.now();
    const qemu = await supervise(
      emulator.system([
        ...[
          '-nodefaults',
          '-no-user-config',
          '-machine',
          'q35',
          '-m',
          '256M',
          '-display',
          'none',
          '-no-reboot',
        ],
        ...accel,
        ...['-kernel', kernel, '-append', 'console=ttyS0 panic=-1 no_timer_check', '-serial', `file:${log}`],
      ]),
      dir,
    );
    try {
      const end = await within(qemu.ended, 'a kernel under test', { timeoutMs: limitMs });
      const output = existsSync(log) ? await readFile(log, 'utf8') : '';
      if (end.code === 0 && output.includes('Kernel panic')) return { ms: performance.now() - start, output };
      const lines = `${output}\n${end.output}`.trim().split('\n');
      return {
        output,
        trouble: `QEMU failed: ${lines.find((line) => line.startsWith('qemu-system')) ?? lines.at(-1)}`,
      };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { output: '', trouble: `a kernel did not come up in ${seconds(limitMs)}` };
    } finally {
      await qemu.kill();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function readVerdict(path: string): Verdict | undefined {
  const { kind, why, tscMHz } = noted(path) ?? {};
  if (typeof why !== 'string' || typeof tscMHz !== 'number') return undefined;
  return kind === 'kvm' || kind === 'tcg' ? { kind, why, tscMHz } : undefined;
}
