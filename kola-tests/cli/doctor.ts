import { constants, existsSync } from 'node:fs';
import { access, readFile, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheDir } from '../../sdk/lib/cache.ts';
import { errorCode, Failure } from '../../sdk/lib/errors.ts';
import { runProcess } from '../../sdk/process.ts';
import { probeAcceleration } from '../harness/qemu/accel.ts';
import { readArtifacts } from '../harness/qemu/artifacts.ts';
import { emulatorOf } from '../harness/qemu/emulator.ts';
import { qemuTree } from '../harness/qemu/tree.ts';
import { OUT } from './options.ts';

/** The finding about one need. `slow`: it works, but slower or not for everything. `bad`: the host has to be changed. */
export interface Finding {
  readonly need: string;
  readonly verdict: 'good' | 'slow' | 'bad';
  readonly found: string;
  readonly hint?: string;
}

const GIB = 1024 ** 3;
const CACHE_NEED = 10 * GIB;
const TEMPORARY_NEED = 4 * GIB;
const MEMORY_NEED_MIB = 1500;
/** Limit for the answer of a mirror. On a busy host, loading the HTTP library takes a part of it. */
const ANSWER_MS = 30_000;

/** `./draisine doctor`: reports what this host can do. Exit code 1 if the host lacks something that is needed. */
export async function doctor({ json }: { readonly json?: boolean }): Promise<number> {
  const findings = await Promise.all([
    userNamespaces(),
    kvm(),
    room('cache', cacheDir(), CACHE_NEED),
    room('temporary files', tmpdir(), TEMPORARY_NEED),
    memory(),
    mirror(),
    ports(),
  ]);
  if (json) process.stdout.write(`${JSON.stringify({ findings }, undefined, 2)}\n`);
  else for (const finding of findings) process.stdout.write(`${describe(finding)}\n`);
  return findings.some(({ verdict }) => verdict === 'bad') ? 1 : 0;
}

function describe({ need, verdict, found, hint }: Finding): string {
  const line = `${verdict.padEnd(4)}  ${need}: ${found}`;
  return hint === undefined ? line : `${line}\n      hint: ${hint}`;
}

/** The compiler's sandbox is a user namespace. Only an attempt shows whether this host allows one. */
async function userNamespaces(): Promise<Finding> {
  const need = 'user namespaces';
  const limits = [
    'kernel.unprivileged_userns_clone=1',
    'kernel.apparmor_restrict_unprivileged_userns=0',
    'user.max_user_namespaces=10000',
  ];
  const existing = limits.filter((limit) => existsSync(sysctlPath(limit)));
  const hint = `as root: sysctl ${existing.join(' ')}; or build as root`;
  try {
    const unshare = { file: 'unshare', args: ['--user', '--map-root-user', 'true'], env: process.env };
    const { code } = await runProcess(unshare);
    return code === 0
      ? { need, verdict: 'good', found: 'can be made' }
      : { need, verdict: 'bad', found: 'cannot be made by this user', hint };
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    const most = Number(await readFile(sysctlPath('user.max_user_namespaces'), 'utf8'));
    if (most === 0) return { need, verdict: 'bad', found: 'user.max_user_namespaces is 0', hint };
    return { need, verdict: 'good', found: `up to ${most} (not tried: this host has no unshare)` };
  }
}

function sysctlPath(setting: string): string {
  return join('/proc/sys', (setting.split('=')[0] ?? '').replaceAll('.', '/'));
}

async function kvm(): Promise<Finding> {
  const need = 'KVM';
  const hint =
    'use a host with hardware virtualization, or nested virtualization that works; without, tests run some 5× slower';
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { need, verdict: 'slow', found: '/dev/kvm is missing', hint };
    return {
      need,
      verdict: 'slow',
      found: '/dev/kvm may not be used by this user',
      hint: 'add yourself to its group: usermod -aG kvm USER',
    };
  }
  if (!existsSync(join(OUT, 'n100/manifest.json'))) {
    return {
      need,
      verdict: 'slow',
      found: '/dev/kvm opens; only the boot of a kernel shows whether it works',
      hint: './draisine build n100, then run this again',
    };
  }
  const kernel = await readArtifacts(OUT, 'n100').then((image) => image.get('kernel'));
  const { kind, why } = await probeAcceleration(await emulatorOf(await qemuTree()), kernel);
  return kind === 'kvm' ? { need, verdict: 'good', found: why } : { need, verdict: 'slow', found: why, hint };
}

async function room(what: string, path: string, wanted: number): Promise<Finding> {
  const need = `room for ${what}`;
  const { bavail, bsize } = await statfs(existingParent(path));
  const found = `${((Number(bavail) * Number(bsize)) / GIB).toFixed(1)} GiB free in ${path}`;
  if (Number(bavail) * Number(bsize) >= wanted) return { need, verdict: 'good', found };
  const variable = what === 'cache' ? 'DRAISINE_CACHE' : 'TMPDIR';
  return {
    need,
    verdict: 'bad',
    found,
    hint: `free some, or set ${variable} to a place with ${wanted / GIB} GiB`,
  };
}

function existingParent(path: string): string {
  return existsSync(path) ? path : existingParent(dirname(path));
}

async function memory(): Promise<Finding> {
  const need = 'memory';
  const available =
    Number(/^MemAvailable:\s+(\d+) kB$/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 1024;
  const found = `${Math.round(available)} MiB available`;
  if (available >= MEMORY_NEED_MIB) return { need, verdict: 'good', found };
  return {
    need,
    verdict: 'bad',
    found,
    hint: `end other programs: one test machine needs about ${MEMORY_NEED_MIB} MiB`,
  };
}

async function mirror(): Promise<Finding> {
  const need = 'Debian mirror';
  const { archiveUrls, mirrorBases } = await import('../../build/for-kola.ts');
  try {
    const bases = archiveUrls(await mirrorBases(), 'debian');
    const answers = await Promise.all(bases.map(answersFor));
    const good = answers.find(({ ok }) => ok);
    if (good) return { need, verdict: 'good', found: `${good.base} serves trixie` };
    const found = answers.map(({ base, why }) => `${base}: ${why}`).join('; ');
    return {
      need,
      verdict: 'bad',
      found,
      hint: 'check the network and HTTP_PROXY, or set DRAISINE_MIRROR to a mirror that serves trixie',
    };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return {
      need,
      verdict: 'bad',
      found: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    };
  }
}

/** Asks through the same proxies as the fetcher. */
export async function answersFor(base: string): Promise<{ base: string; ok: boolean; why: string }> {
  const { get } = await import('../../build/for-kola.ts');
  try {
    const { status, body } = await get(`${base}/dists/trixie/InRelease`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    body.destroy();
    return { base, ok: status === 200, why: `HTTP ${status}` };
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)) || errorCode(error);
    return { base, ok: false, why: why ?? 'no answer' };
  }
}

/** Tests reach their machines through ports of the loopback interface, so the host needs one. */
async function ports(): Promise<Finding> {
  const need = 'ports';
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return { need, verdict: 'good', found: 'the loopback interface gives out ports' };
  } catch (error) {
    return {
      need,
      verdict: 'bad',
      found: `127.0.0.1: ${errorCode(error) ?? String(error)}`,
      hint: 'bring the loopback interface up: ip link set lo up',
    };
  } finally {
    server.close();
  }
}
