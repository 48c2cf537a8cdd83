import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import { didYouMean } from '../../sdk/lib/near.ts';
import type { LockedPackage } from './lock.ts';
import type { PackageSet } from './set.ts';

/** Why a package is in a set. */
export interface Why {
  readonly image: string;
  readonly package: string;
  /**
   * False if the package is not in the set. Then `askedBy` names packages with an unsatisfied dependency on it, and
   * `reason` is the reason of the drop.
   */
  readonly included: boolean;
  readonly version?: string;
  readonly root: boolean;
  readonly reason?: string;
  /** The shortest chain from a root to the package. Each step satisfies the `need` of the step before. */
  readonly chain: readonly { readonly package: string; readonly need?: string }[];
  /** Every package of the set with a dependency that this package satisfies, or that a drop left unsatisfied. */
  readonly askedBy: readonly { readonly package: string; readonly need: string }[];
  /** The same as text. */
  readonly lines: readonly string[];
}

/**
 * Finds in the lock why a package is in a set, or why it is not. Throws badInput for a package that the set does not
 * know.
 */
export function whyPackage(
  image: string,
  packages: readonly LockedPackage[],
  name: string,
  set?: PackageSet,
): Why {
  const found = packages.find((entry) => entry.name === name);
  if (found === undefined) return whyNot(image, packages, name, set);
  const askedBy = askers(packages, name, ({ needs }) => needs);
  const chain = shortestChain(packages, name);
  const steps = chain.map(({ package: step, need }, depth) =>
    need === undefined
      ? `${step} (root)`
      : `${'  '.repeat(depth)}needs ${need}${need === step ? '' : `: ${step}`}`,
  );
  const others = askedBy
    .filter(({ package: asker }) => asker !== chain.at(-2)?.package)
    .map((asker) => asker.package);
  const also = others.length === 0 ? [] : [`also needed by ${others.join(', ')}`];
  const lines = [
    `${name} ${found.version} is in ${image}:`,
    ...[...steps, ...also].map((line) => `  ${line}`),
  ];
  return {
    image,
    package: name,
    included: true,
    version: found.version,
    root: found.root,
    chain,
    askedBy,
    lines,
  };
}

/** Every package with a dependency on `name`. `of` returns the dependencies that count. */
function askers(
  packages: readonly LockedPackage[],
  name: string,
  of: (entry: LockedPackage) => Readonly<Record<string, string>>,
): Why['askedBy'] {
  return packages.flatMap((entry) => {
    const needs = of(entry);
    return Object.hasOwn(needs, name) ? [{ package: entry.name, need: needs[name]! }] : [];
  });
}

/** Breadth first from the roots, names in order. So the same lock always gives the same chain. */
function shortestChain(
  packages: readonly LockedPackage[],
  name: string,
): { package: string; need?: string }[] {
  const byName = new Map(packages.map((entry) => [entry.name, entry]));
  const from = new Map<string, string | undefined>();
  const queue = packages.filter(({ root }) => root).map((entry) => entry.name);
  for (const root of queue) from.set(root, undefined);
  for (const current of queue) {
    if (current === name) break;
    for (const next of Object.keys(byName.get(current)!.needs).sort(byteOrder)) {
      if (from.has(next)) continue;
      from.set(next, current);
      queue.push(next);
    }
  }
  const chain: { package: string; need?: string }[] = [];
  for (let step: string | undefined = name; step !== undefined; ) {
    const before: string | undefined = from.get(step);
    chain.unshift(
      before === undefined ? { package: step } : { package: step, need: byName.get(before)!.needs[step]! },
    );
    step = before;
  }
  return chain;
}

function whyNot(
  image: string,
  packages: readonly LockedPackage[],
  name: string,
  set: PackageSet | undefined,
): Why {
  const askedBy = askers(packages, name, ({ dropped }) => dropped);
  const entry = [...(set?.drop ?? []), ...(set?.replace ?? [])].find((other) => other.package === name);
  if (askedBy.length === 0 && entry === undefined) {
    if (!/^[a-z0-9][a-z0-9+.-]*$/.test(name)) {
      throw badInput(`${JSON.stringify(name)} is not a package name`, {
        hint: nameHint(name),
      });
    }
    const names = packages.map((other) => other.name);
    throw badInput(`${name} is not in ${image}, and no package there depends on it`, {
      hint: didYouMean(name, names, `./draisine resolve ${name} tells what it would bring in`),
    });
  }
  const reason = entry?.reason;
  const lines = [
    `${name} is not in ${image}${reason === undefined ? '' : `: dropped (${reason})`}`,
    ...askedBy.map(({ package: asker, need }) => `  ${asker} goes without ${need}`),
  ];
  const base = { image, package: name, included: false, root: false, chain: [], askedBy, lines };
  return reason === undefined ? base : { ...base, reason };
}

/** A hint for a text that is not the name of a package. */
function nameHint(name: string): string {
  const [bare = ''] = /^[a-z0-9][a-z0-9+.-]*(?=[:=_])/.exec(name) ?? [];
  if (bare !== '') return `name it without version and architecture: ${bare}`;
  if (/^[A-Z]/.test(name)) return `names have no capital letters: ${name.toLowerCase()}`;
  return name.includes('/')
    ? `a path is absolute: ${`/${name}`.replace(/\/(\.{0,2}\/)+/g, '/')}`
    : 'name a package, or the absolute path of a file';
}
