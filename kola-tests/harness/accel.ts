import { constants } from 'node:fs';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDir } from '../../sdk/lib/cache.ts';
import { errorCode, Failure } from '../../sdk/lib/errors.ts';
import { sha256, writeAtomic } from '../../sdk/lib/files.ts';
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
  /** What names it in a snapshot's key: state saved under one is not restored under another. */
  readonly identity: string;
  /** One line for the log: what was chosen, and why. */
  readonly why: string;
  /** How much longer things take than natively, roughly: time limits are multiplied by it. */
  readonly slowness: number;
  /** MiB a machine takes besides its own memory. */
  readonly overhead: number;
}

/** A kernel that runs on real virtualization panics for want of a root file system in about a second. */
const KVM_LIMIT_MS = 8_000;
const TCG_LIMIT_MS = 120_000;
/** Below this no comparison with TCG is needed: TCG takes several times as long anywhere. */
const CLEARLY_FAST_MS = 2_000;

interface Verdict {
  readonly kind: Acceleration['kind'];
  readonly why: string;
}

/**
 * Chooses between KVM and TCG by booting `kernel` for a moment: that /dev/kvm opens proves nothing, on some hosts
 * the guest then hangs or crawls. The verdict is kept for this boot of the host, this QEMU and this kernel.
 */
export async function probeAcceleration(emulator: Emulator, kernel: Artifact): Promise<Acceleration> {
  const refused = await kvmRefused();
  if (refused) return acceleration({ kind: 'tcg', why: refused });
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const cached = join(
    cacheDir(),
    'probe',
    `${sha256(`${boot}\n${emulator.version}\n${kernel.sha256}`)}.json`,
  );
  const known = await readVerdict(cached);
  if (known) return acceleration(known);
  const verdict = await compare(emulator, kernel.path);
  await writeAtomic(cached, JSON.stringify(verdict));
  return acceleration(verdict);
}

export function acceleration({ kind, why }: Verdict): Acceleration {
  if (kind === 'kvm') {
    const identity = `kvm ${cpus()[0]?.model ?? ''}`;
    return { kind, args: 'kvm', cpu: 'host', identity, why: `KVM: ${why}`, slowness: 1, overhead: 120 };
  }
  // la57=off: five-level page tables cost TCG a fifth of the boot time. tb-size bounds the translation cache (MiB).
  const args = 'tcg,thread=multi,tb-size=256';
  const cpu = 'max,la57=off';
  return {
    kind,
    args,
    cpu,
    identity: `${args} ${cpu}`,
    why: `TCG (emulation): ${why}`,
    slowness: 5,
    overhead: 350,
  };
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
  if (kvm.ms === undefined) return { kind: 'tcg', why: `/dev/kvm opens, but ${kvm.trouble}` };
  if (kvm.ms < CLEARLY_FAST_MS) return { kind: 'kvm', why: `booted a kernel in ${seconds(kvm.ms)}` };
  const plain = acceleration({ kind: 'tcg', why: '' });
  const tcg = await timeBoot(emulator, kernel, ['-accel', plain.args, '-cpu', plain.cpu], TCG_LIMIT_MS);
  if (tcg.ms !== undefined && tcg.ms <= kvm.ms) {
    return { kind: 'tcg', why: `KVM booted a kernel in ${seconds(kvm.ms)}, emulation in ${seconds(tcg.ms)}` };
  }
  return {
    kind: 'kvm',
    why: `booted a kernel in ${seconds(kvm.ms)}, emulation took ${tcg.ms ? seconds(tcg.ms) : 'longer'}`,
  };
}

type Timed =
  | { readonly ms: number; readonly trouble?: never }
  | { readonly ms?: undefined; readonly trouble: string };

/** Boots a kernel without a root file system. It panics, resets, and `-no-reboot` ends QEMU: that is the finish line. */
async function timeBoot(
  emulator: Emulator,
  kernel: string,
  accel: readonly string[],
  limitMs: number,
): Promise<Timed> {
  const dir = await mkdtemp(join(tmpdir(), 'draisine-probe-'));
  try {
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
        ...['-kernel', kernel, '-append', 'console=ttyS0 panic=-1', '-serial', 'stdio'],
      ]),
      dir,
    );
    try {
      const end = await within(qemu.ended, 'a kernel under test', { timeoutMs: limitMs });
      if (end.code === 0 && end.output.includes('Kernel panic')) return { ms: performance.now() - start };
      const lines = end.output.trim().split('\n');
      return {
        trouble: `QEMU gave up: ${lines.find((line) => line.startsWith('qemu-system')) ?? lines.at(-1)}`,
      };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { trouble: `a kernel did not come up in ${seconds(limitMs)}` };
    } finally {
      await qemu.kill();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function readVerdict(path: string): Promise<Verdict | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (
      typeof value === 'object' &&
      value !== null &&
      'kind' in value &&
      'why' in value &&
      typeof value.why === 'string'
    ) {
      if (value.kind === 'kvm' || value.kind === 'tcg') return { kind: value.kind, why: value.why };
    }
    return undefined;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
