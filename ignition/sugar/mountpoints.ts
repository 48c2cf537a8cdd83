import { badInput } from '../../sdk/lib/errors.ts';
import { cleanPath } from '../base/clean-path.ts';
import { defaultMountpoint } from './container.ts';
import { type DatasetOptions, datasetService } from './dataset.ts';
import { type PoolOptions, poolService } from './zpool.ts';

/** Mount points of pools and datasets, and the order in which they are mounted. */

type Named<Value> = { readonly [name: string]: Value };

/**
 * The mount point of each dataset: its own, or a folder below its parent's. An undeclared pool is an error.
 */
export function mountpoints(
  pools: Named<PoolOptions>,
  datasets: Named<DatasetOptions>,
): (dataset: string) => string {
  const where = (dataset: string): string => {
    const own = datasets[dataset]?.mountpoint;
    if (own !== undefined) return own;
    const slash = dataset.lastIndexOf('/');
    if (slash < 0) return pools[dataset]?.mountpoint ?? defaultMountpoint(dataset);
    const above = where(dataset.slice(0, slash));
    return above.startsWith('/') ? `${above}${dataset.slice(slash)}` : above; // none and legacy are inherited
  };
  // A mount point among the properties would be unknown here, and volumes of containers would not be on the dataset.
  for (const [section, named] of Object.entries({ pools, datasets }))
    for (const [name, { properties = {} }] of Object.entries<PoolOptions | DatasetOptions>(named))
      if ('mountpoint' in properties)
        throw badInput(`${name} has its mount point among the properties`, {
          where: `${section}.${name}.properties.mountpoint`,
          hint: 'write mountpoint beside properties, not in them',
        });
  for (const dataset of Object.keys(datasets)) {
    const pool = dataset.split('/')[0] ?? '';
    if (!Object.hasOwn(pools, pool)) {
      throw badInput(`the pool of dataset ${dataset} is not declared`, {
        where: `datasets.${dataset}`,
        hint: 'declare it in pools',
      });
    }
  }
  return (dataset) => {
    if (Object.hasOwn(datasets, dataset)) return where(dataset);
    throw badInput(`dataset ${dataset} is not declared`, {
      where: 'containers',
      hint: 'declare it in datasets',
    });
  };
}

/** A pool or dataset that is mounted. */
interface Mount {
  readonly name: string;
  readonly pool: string;
  readonly service: string;
  readonly at: string;
}

function mountsOf(
  pools: Named<PoolOptions>,
  datasets: Named<DatasetOptions>,
  mountpointOf: (dataset: string) => string,
): Mount[] {
  const all = [
    ...Object.entries(pools).map(([name, { mountpoint = defaultMountpoint(name), properties }]) => ({
      ...{ name, pool: name, service: poolService(name), at: mountpoint, properties },
    })),
    ...Object.entries(datasets).map(([name, { properties }]) => ({
      ...{
        name,
        pool: name.split('/')[0] ?? '',
        service: datasetService(name),
        at: mountpointOf(name),
        properties,
      },
    })),
  ];
  return all.flatMap(({ properties, ...mount }) =>
    mount.at.startsWith('/') && properties?.canmount !== 'off' ? [{ ...mount, at: cleanPath(mount.at) }] : [],
  );
}

/** The paths of all pools and datasets that are mounted. */
export const mountPaths = (...of: Parameters<typeof mountsOf>): string[] =>
  mountsOf(...of).map(({ at }) => at);

/** The unit that mounts the pool or dataset with a path; undefined for a path of the state partition. */
export function mountedBy(...of: Parameters<typeof mountsOf>): (path: string) => string | undefined {
  const innermostFirst = mountsOf(...of).sort((a, b) => b.at.length - a.at.length);
  return (path) => innermostFirst.find(({ at }) => `${cleanPath(path)}/`.startsWith(`${at}/`))?.service;
}

const isInside = (inner: Mount, outer: Mount): boolean => inner.at.startsWith(`${outer.at}/`);

/** Refuses mounts that hide each other, because no order of mounting is right for them. */
function checkMountpoints(mounts: readonly Mount[]): void {
  const refuse = (one: Mount, message: string): never => {
    const section = one.name.includes('/') ? 'datasets' : 'pools';
    throw badInput(message, { where: `${section}.${one.name}.mountpoint`, hint: 'take another mount point' });
  };
  for (const [index, one] of mounts.entries())
    for (const other of mounts.slice(0, index)) {
      if (one.at === other.at)
        refuse(one, `${other.name} and ${one.name} have the same mount point, ${one.at}`);
      const [above, below] = one.name.length < other.name.length ? [one, other] : [other, one];
      if (below.name.startsWith(`${above.name}/`) && isInside(above, below))
        refuse(above, `${above.name} is mounted inside of ${below.name}, which is made after it`);
    }
}

/**
 * The units that must have mounted the folders around a mount point before it is mounted: otherwise they would hide it.
 * The unit of a pool mounts all datasets that the pool has.
 */
export function mountOrder(
  pools: Named<PoolOptions>,
  datasets: Named<DatasetOptions>,
  mountpointOf: (dataset: string) => string,
): (name: string) => string[] {
  const mounts = mountsOf(pools, datasets, mountpointOf);
  checkMountpoints(mounts);
  const poolsAround = (pool: string): string[] =>
    Object.keys(pools).filter(
      (other) =>
        other !== pool &&
        mounts.some(
          (inner) =>
            inner.pool === pool && mounts.some((outer) => outer.pool === other && isInside(inner, outer)),
        ),
    );
  for (const pool of Object.keys(pools))
    for (const other of poolsAround(pool))
      if (poolsAround(other).includes(pool))
        throw badInput(`the pools ${other} and ${pool} are mounted inside of each other`, {
          where: `pools.${pool}`,
          hint: 'take mount points of which only one is inside of the other',
        });
  return (name) => {
    if (!name.includes('/')) return poolsAround(name).map(poolService);
    const own = mounts.find((mount) => mount.name === name);
    return mounts.flatMap((outer) => (own && isInside(own, outer) ? [outer.service] : []));
  };
}
