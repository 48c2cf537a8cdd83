/**
 * Compares boots, in turn on one QEMU: n100, generic (the same system with Debian's kernel), and a stock Debian with
 * the same packages, its own initramfs-tools and systemd-boot.
 *
 *   node --import tsx bench/boot.ts [ROUNDS]
 *
 * For out/n100 and out/generic (./draisine build n100 generic). Prints medians and ratios of boots after the first:
 *   up          seconds from QEMU's start to multi-user.target
 *   kernel      seconds the kernel took until it started the first process (systemd-analyze(1))
 *   userspace   seconds from the kernel's start to the real system's first process, initrd included
 *   memory      MiB taken of 1024 once everything has started
 * Needs root, mmdebstrap and mkfs.ext4 on PATH for Debian; without, the other two are compared.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { $ } from 'zx';
import { lockedSet, readLock } from '../build/debian/lock.ts';
import { LOCK_PATH } from '../build/debian/lock-path.ts';
import { archiveUrls, mirrorBases } from '../build/debian/mirror.ts';
import { buildTargets } from '../build/graph/run.ts';
import { lockedPackages } from '../build/image/packages.ts';
import { SYSTEMD_BOOT } from '../build/media/esp.ts';
import { makeFat } from '../build/media/fat.ts';
import { createCluster, planCluster } from '../kola-tests/harness/machine/cluster.ts';
import { type Lab, openLab } from '../kola-tests/harness/machine/lab.ts';
import type { Machine } from '../kola-tests/harness/machine/machine.ts';
import { qemuTree } from '../kola-tests/harness/qemu/tree.ts';
import { runTool } from '../sdk/tool.ts';

const MEMORY = 1024;
const rounds = Number(process.argv[2] ?? 3);
const root = fileURLToPath(new URL('../', import.meta.url));
const out = join(root, 'out');
const scratch = mkdtempSync(join(tmpdir(), 'draisine-bench-'));

/**
 * Writes to the serial port when the system is up, and then systemd's times. Each write opens the port, because getty
 * hangs it up.
 */
const REPORT = `[Unit]
Description=Report of the boot
DefaultDependencies=no
After=multi-user.target

[Service]
ExecStart=/bin/sh -c 'echo bench: up >/dev/ttyS0; udevadm settle; systemctl is-system-running --wait >/dev/null; \\
 echo "bench: $(systemd-analyze time | sed 1q), $(sed -n "s/^MemAvailable: *//p" /proc/meminfo) available" >/dev/ttyS0'

[Install]
WantedBy=multi-user.target
`;

interface Boot {
  readonly up: number;
  readonly kernel: number;
  readonly userspace: number;
  readonly memory: number;
}

/** Seconds of a duration of systemd-analyze, such as `1min 2.345s` or `678ms`. */
function duration(text: string): number {
  const unit = { min: 60, s: 1, ms: 0.001 };
  return [...text.matchAll(/([\d.]+)(min|ms|s)/g)].reduce(
    (sum, [, number, name]) => sum + Number(number) * unit[name as keyof typeof unit],
    0,
  );
}

async function bootOnce(box: Machine): Promise<Boot> {
  const start = performance.now();
  await box.powerOn();
  await box.waitForConsole(/bench: up/, { seconds: 120 });
  const up = (performance.now() - start) / 1000;
  const report =
    /bench: Startup finished in .*?([^+()]*) \(kernel\)(?: \+ ([^+()]*) \(initrd\))? \+ .* (\d+) kB available/;
  await box.waitForConsole(report, { seconds: 60 });
  const [, kernel = '', initrd = '', free = ''] =
    [...(await box.consoleText()).matchAll(new RegExp(report, 'g'))].at(-1) ?? [];
  await box.powerButton();
  return {
    up,
    kernel: duration(kernel),
    userspace: duration(kernel) + duration(initrd),
    memory: MEMORY - Number(free) / 1024,
  };
}

/** Makes an ESP with systemd-boot, and with the kernel and the initrd of the system in a folder. */
async function debianEsp(tree: string, system: string, kernelArguments: string): Promise<string> {
  const file = (pattern: RegExp) => {
    const found = readdirSync(join(system, 'boot')).find((name) => pattern.test(name));
    if (!found) throw new Error(`${system}/boot has nothing that matches ${pattern}`);
    return join(system, 'boot', found);
  };
  const words = `root=LABEL=debian rw console=tty0 console=ttyS0,115200n8 quiet ${kernelArguments}`;
  writeFileSync(join(scratch, 'loader.conf'), 'timeout 3\n');
  writeFileSync(
    join(scratch, 'debian.conf'),
    `title Debian\nlinux /vmlinuz\ninitrd /initrd.img\noptions ${words}\n`,
  );
  const esp = join(scratch, 'esp.img');
  await makeFat({
    ...{
      sdk: tree,
      out: esp,
      size: 512 << 20,
      bits: 32,
      volumeId: '00000001',
      label: 'ESP',
      epoch: 0,
      scratch,
    },
    signal: new AbortController().signal,
    folders: ['EFI', 'EFI/BOOT', 'loader', 'loader/entries'],
    files: [
      [join(tree, SYSTEMD_BOOT), 'EFI/BOOT/BOOTX64.EFI'],
      [join(scratch, 'loader.conf'), 'loader/loader.conf'],
      [join(scratch, 'debian.conf'), 'loader/entries/debian.conf'],
      [file(/^vmlinuz-/), 'vmlinuz'],
      [file(/^initrd\.img-/), 'initrd.img'],
    ],
  });
  return esp;
}

/** A disk with systemd-boot, Debian's kernel and initrd, and the packages of `generic` as apt and dpkg install them. */
async function debianLab(lab: Lab): Promise<Lab> {
  const lock = await readLock(LOCK_PATH);
  const bases = await mirrorBases();
  const sources = lock.indexes.flatMap(({ archive, suite }) => {
    const url = archiveUrls(bases, archive)[0];
    return url ? [`deb [trusted=yes] ${url} ${suite} main contrib`] : [];
  });
  const system = join(scratch, 'debian');
  const unit = join(scratch, 'bench.service');
  writeFileSync(unit, REPORT);
  const names = lockedSet(lock, 'generic').map(({ name }) => name);
  const include = [
    ...names.filter((name) => !name.startsWith('linux-image')),
    ...['linux-image-amd64', 'initramfs-tools', 'zstd'],
  ];
  const hooks = [
    `--customize-hook=copy-in ${unit} /etc/systemd/system`,
    '--customize-hook=chroot "$1" systemctl enable bench.service',
    '--customize-hook=echo "LABEL=debian / ext4 defaults 0 1" >"$1/etc/fstab"',
    '--customize-hook=echo debian >"$1/etc/hostname"',
  ];
  await $({
    stdio: ['ignore', 'inherit', 'inherit'],
  })`mmdebstrap --quiet --variant=minbase --include=${include.join(',')} ${hooks} trixie ${system} ${sources}`;
  const sdk = lockedPackages(lock).tools('sdk-image');
  const tree = (await buildTargets([sdk])).get(sdk.name)!.path;
  const esp = await debianEsp(tree, system, lab.accel.kernelArguments);
  const filesystem = join(scratch, 'root.img');
  await $`mkfs.ext4 -q -L debian -d ${system} ${filesystem} 4G`;
  const definitions = join(scratch, 'repart.d');
  mkdirSync(definitions);
  for (const [type, path] of [
    ['esp', esp],
    ['root', filesystem],
  ])
    writeFileSync(join(definitions, `${type}.conf`), `[Partition]\nType=${type}\nCopyBlocks=${path}\n`);
  const path = join(scratch, 'debian.img');
  await runTool(
    tree,
    'systemd-repart',
    [
      ...['--offline=yes', '--empty=create', '--size=auto', '--dry-run=no', '--no-pager'],
      ...[`--definitions=${definitions}`, path],
    ],
    { cwd: scratch },
  );
  rmSync(system, { recursive: true });
  return { ...lab, disk: { ...lab.disk, path } };
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const toolTree = await qemuTree();
const labs = new Map<string, Lab>();
for (const image of ['n100', 'generic']) labs.set(image, await openLab({ image, out, toolTree }));
const clusters: Awaited<ReturnType<typeof createCluster>>[] = [];
try {
  if (
    process.getuid?.() === 0 &&
    (await $({ nothrow: true, quiet: true })`mmdebstrap --version`).exitCode === 0
  )
    labs.set('debian', await debianLab(labs.get('generic')!));
  const boots = new Map<string, Boot[]>();
  const boxes = new Map<string, Machine>();
  const config = {
    ignition: { version: '3.3.0' },
    systemd: { units: [{ name: 'bench.service', enabled: true, contents: REPORT }] },
  };
  for (const [name, lab] of labs) {
    const cluster = await createCluster(
      lab,
      planCluster({ name: `bench.${name}`, machines: { box: { start: 'off', memory: MEMORY, config } } }),
    );
    clusters.push(cluster);
    boxes.set(name, cluster.machines.box!);
    boots.set(name, []);
    await bootOnce(cluster.machines.box!); // not counted: a first boot makes keys, partitions and caches
  }
  for (let round = 1; round <= rounds; round += 1) {
    for (const [name, box] of boxes) boots.get(name)?.push(await bootOnce(box));
    process.stderr.write(`round ${round} of ${rounds}\n`);
  }
  const value = (name: string, what: keyof Boot) => median((boots.get(name) ?? []).map((boot) => boot[what]));
  const columns = ['up', 'kernel', 'userspace', 'memory'] as const;
  for (const name of boxes.keys())
    console.log(
      `${name.padEnd(9)}${columns.map((what) => `${what} ${value(name, what).toFixed(1)}`).join('   ')}`,
    );
  for (const other of [...boxes.keys()].filter((name) => name !== 'n100'))
    console.log(
      `n100 / ${other.padEnd(9)}${columns.map((what) => `${what} ${(value('n100', what) / value(other, what)).toFixed(2)} ×`).join('   ')}`,
    );
} finally {
  for (const cluster of clusters) await cluster.dispose();
  rmSync(scratch, { recursive: true, force: true });
}
