/**
 * Compares a build of /usr with verity from cached .debs, in development compression, with mmdebstrap for the same
 * packages.
 *
 *   node --import tsx bench/assembly.ts [ROUNDS]
 *
 * Prints medians and ratios of three cases, measured in turn in one run:
 *   debs      our store has the .debs, the tool tree and the kernel modules: unpack all, tree, erofs, verity
 *   packages  it also has the unpacked packages, as after any first build: tree, erofs, verity
 *   mmdebstrap --variant=minbase for the same packages with cached .debs, to a directory; it also installs
 *             what the image drops in writing, since apt insists
 * mmdebstrap must be on PATH; without it the first two are printed alone.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { $ } from 'zx';
import { lockDate, lockedSet, readLock } from '../build/debian/lock.ts';
import { LOCK_PATH } from '../build/debian/lock-path.ts';
import { archiveUrls, mirrorBases } from '../build/debian/mirror.ts';
import { buildTargets } from '../build/graph/run.ts';
import { closeStore, openStore } from '../build/graph/store.ts';
import type { Target } from '../build/graph/target.ts';
import { type LockedPackages, lockedPackages } from '../build/image/packages.ts';
import { imageTargets } from '../build/image/targets.ts';
import generic from '../images/generic/image.ts';
import { modules } from '../packages/system/modules.ts';
import { setQuiet } from '../sdk/lib/log.ts';

/** The image with Debian's kernel, but without ZFS's modules, because mmdebstrap does not compile them. */
const image = {
  ...generic,
  kernel: {
    ...generic.kernel,
    modules,
    from: (packages: LockedPackages, certificate: string) => ({
      ...generic.kernel.from(packages, certificate),
      extraModules: [],
    }),
  },
};
const root = fileURLToPath(new URL('../', import.meta.url));
const rounds = Number(process.argv[2] ?? 3);
const lock = await readLock(LOCK_PATH);
const packages = lockedPackages(lock);
const pinned = lockedSet(lock, image.set);
setQuiet(true);

/** The graph with another version, so that all targets of the whole image run again. */
const graph = (version: string) =>
  imageTargets(image, { root, lock, version, dev: true, epoch: lockDate(lock), certificate: '' });
const usrOf = (version: string): Target[] => [
  graph(version).artifacts['usr-verity']!,
  graph(version).rootHash,
];

async function seconds(run: () => Promise<unknown> | unknown): Promise<number> {
  const start = process.hrtime.bigint();
  await run();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const scratch = mkdtempSync(join(tmpdir(), 'draisine-bench-'));
try {
  const debs = pinned.map(packages.deb);
  const fetched = await buildTargets(debs);
  await buildTargets(usrOf('warm')); // the tool tree, ZFS, every unpacked package

  const haveMmdebstrap = (await $({ nothrow: true, quiet: true })`mmdebstrap --version`).exitCode === 0;
  const cache = join(scratch, 'archives');
  mkdirSync(cache);
  for (const target of debs)
    copyFileSync(fetched.get(target.name)!.path, join(cache, basename(String(target.inputs.path))));
  const sources = await mirrorLines();
  if (haveMmdebstrap) await mmdebstrap(); // not counted: it fetches packages that the image drops

  const times = { debs: [] as number[], packages: [] as number[], mmdebstrap: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    times.packages.push(await seconds(() => buildTargets(usrOf(`kept${round}-${process.pid}`))));

    const store = openStore(join(scratch, `store${round}`));
    const version = `debs${round}`;
    const { tree } = graph(version);
    const given = [
      ...debs,
      tree.inputs.modules as Target,
      packages.tools('sdk-image'),
      packages.tools('sdk-xz'),
    ];
    await buildTargets(given, { store });
    times.debs.push(await seconds(() => buildTargets(usrOf(version), { store })));
    closeStore(store);
    rmSync(join(scratch, `store${round}`), { recursive: true, force: true });

    if (haveMmdebstrap) times.mmdebstrap.push(await seconds(mmdebstrap));
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  }

  async function mmdebstrap(): Promise<void> {
    const out = join(scratch, 'mmdebstrap');
    const include = pinned.filter(({ name }) => !name.startsWith('linux-image')).map(({ name }) => name);
    const hooks = [
      '--setup-hook=mkdir -p "$1"/var/cache/apt/archives',
      `--setup-hook=cp ${cache}/*.deb "$1"/var/cache/apt/archives/`,
      `--customize-hook=cp -n "$1"/var/cache/apt/archives/*.deb ${cache}/`,
    ];
    const skip = ['--skip=download/empty', '--skip=essential/unlink'];
    await $({
      stdio: ['ignore', 'inherit', 'inherit'],
    })`mmdebstrap --quiet --variant=minbase ${skip} ${hooks} --include=${include.join(',')} trixie ${out} ${sources}`;
    rmSync(out, { recursive: true, force: true });
  }

  const rows = Object.entries(times).filter(([, values]) => values.length > 0);
  for (const [name, values] of rows)
    console.log(
      `${name.padEnd(11)} ${median(values).toFixed(2)} s   (${values.map((value) => value.toFixed(2)).join(', ')})`,
    );
  if (haveMmdebstrap) {
    console.log(`mmdebstrap / debs      ${(median(times.mmdebstrap) / median(times.debs)).toFixed(1)} ×`);
    console.log(`mmdebstrap / packages  ${(median(times.mmdebstrap) / median(times.packages)).toFixed(1)} ×`);
  } else console.log('mmdebstrap is not installed: no ratio');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** sources.list(5) lines for the archives the lock came from. */
async function mirrorLines(): Promise<string[]> {
  const bases = await mirrorBases();
  return lock.indexes.flatMap(({ archive, suite }) => {
    const url = archiveUrls(bases, archive)[0];
    return url ? [`deb [trusted=yes] ${url} ${suite} main contrib`] : [];
  });
}
