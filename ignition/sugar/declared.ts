import { badInput } from '../../sdk/lib/errors.ts';
import { nearNames } from '../../sdk/lib/near.ts';
import type { Named } from './inner-names.ts';
import type { SnapshotPolicy } from './upkeep.ts';
import { disksOf, type PoolOptions } from './zpool.ts';

type Sections = {
  readonly [Section in 'pools' | 'datasets' | 'pods' | 'containers' | 'snapshots' | 'scrubs']?: object;
};

const namesOf = (section: object | undefined): string[] => Object.keys(section ?? {});

/** A name that must be declared in some section, and the place where it stands. */
function mustBe(name: string, declared: readonly string[], what: string, where: string): void {
  if (declared.includes(name)) return;
  throw badInput(`${what} ${name} is not declared`, {
    where,
    hint: nearNames(name, declared, `there are: ${declared.join(', ') || 'none'}`),
  });
}

/** Two pools must not have one disk: the second one would not be made. */
export function checkSharedDisks(pools: { readonly [pool: string]: PoolOptions }): void {
  const owners = new Map<string, string>();
  for (const [pool, options] of Object.entries(pools)) {
    for (const disk of disksOf(options)) {
      const other = owners.get(disk);
      if (other !== undefined && other !== pool)
        throw badInput(`the pools ${other} and ${pool} have the same disk, ${disk}`, {
          where: `pools.${pool}`,
        });
      owners.set(disk, pool);
    }
  }
}

/**
 * Two policies must not make snapshots of one dataset in one period: each would count, and remove, snapshots of the
 * other one.
 */
function checkRecursion(snapshots: { readonly [dataset: string]: SnapshotPolicy }): void {
  const periods = ({ keep = {} }: SnapshotPolicy): string[] =>
    Object.entries(keep).flatMap(([period, count]) => (count ? [period] : []));
  for (const [above, policy] of Object.entries(snapshots).filter(([, { recursive }]) => recursive))
    for (const [below, other] of Object.entries(snapshots)) {
      const both = below.startsWith(`${above}/`)
        ? periods(policy).filter((one) => periods(other).includes(one))
        : [];
      if (both.length > 0)
        throw badInput(`${below} has ${both.join(' and ')} snapshots of its own, and those of ${above}`, {
          where: `snapshots.${below}`,
          hint: `leave out one of them, or recursive of ${above}`,
        });
    }
}

/**
 * Names in one section must be declared in another one. The type checker sees that too, but compiling a config does
 * not run it.
 */
export function checkDeclared({ pools, datasets, pods, containers, snapshots, scrubs }: Sections): void {
  const all = [...namesOf(pools), ...namesOf(datasets)];
  for (const name of namesOf(snapshots)) mustBe(name, all, 'dataset or pool', `snapshots.${name}`);
  checkRecursion((snapshots ?? {}) as { readonly [dataset: string]: SnapshotPolicy });
  for (const name of namesOf(scrubs)) mustBe(name, namesOf(pools), 'pool', `scrubs.${name}`);
  for (const [name, one] of Object.entries(containers ?? {})) {
    const { pod, pools: needed = [] } = one as { pod?: string; pools?: readonly string[] };
    if (pod !== undefined) mustBe(pod, namesOf(pods), 'pod', `containers.${name}.pod`);
    for (const pool of needed) mustBe(pool, namesOf(pools), 'pool', `containers.${name}.pools`);
  }
}

const KEEP = { hourly: 'number', daily: 'number', weekly: 'number', monthly: 'number' };
const OWNER = { user: 'text|number!', group: 'text|number', mode: 'number' };
const VDEV = {
  mirror: 'list',
  raidz1: 'list',
  raidz2: 'list',
  raidz3: 'list',
  draid: 'list',
  parity: 'number',
  data: 'number',
  spares: 'number',
  disk: 'text',
};

/** The names of options inside of pools, datasets and snapshots, for the check of their spelling. */
export function innerOfStorage({ pools, datasets, snapshots }: Sections): Named[] {
  const entries = (section: object | undefined) =>
    Object.entries((section ?? {}) as { [name: string]: { readonly [key: string]: unknown } | undefined });
  const inner = (thing: unknown, known: object, where: string): Named[] =>
    typeof thing === 'object' && thing !== null ? [[thing, known, where]] : [];
  return [
    ...entries(pools).flatMap(([name, pool]) =>
      (Array.isArray(pool?.vdevs) ? pool.vdevs : []).flatMap((vdev: unknown, index) =>
        inner(vdev, VDEV, `pools.${name}.vdevs[${index}]`),
      ),
    ),
    ...entries(datasets).flatMap(([name, one]) => inner(one?.owner, OWNER, `datasets.${name}.owner`)),
    ...entries(snapshots).flatMap(([name, one]) => inner(one?.keep, KEEP, `snapshots.${name}.keep`)),
  ];
}
