import { Failure } from '../../sdk/lib/errors.ts';
import { warn } from '../../sdk/lib/log.ts';
import { makeGraph } from '../graph/graph.ts';
import { planBuild } from '../graph/plan.ts';
import type { Store } from '../graph/store.ts';
import type { Target } from '../graph/target.ts';
import { signingKey } from '../keys/keys.ts';

/**
 * Reports a key that cannot sign at once, and not after the kernel is compiled. It is no error if no target
 * needs the key: a host that shares the store of others builds without one. `remote`: what is missing in the store
 * may be in a remote one, so it is a warning only.
 */
export async function checkKey(
  targets: readonly Target[],
  store: Store,
  { rebuild = false, remote = false }: { readonly rebuild?: boolean; readonly remote?: boolean } = {},
): Promise<void> {
  const certified = new Map<string, string>();
  for (const { name, target } of makeGraph(targets).nodes) {
    const { certificate } = target.inputs;
    if (typeof certificate === 'string') certified.set(name, certificate);
  }
  try {
    for (const certificate of new Set(certified.values())) await signingKey(certificate);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const plan = await planBuild(targets, { store, rebuild });
    const wanting = plan.filter(({ name }) => certified.has(name));
    if ((rebuild || !remote) && wanting.some(({ certain }) => certain)) throw error;
    // Only the compilation, or the remote store, shows whether the output is the same as before.
    if (wanting.length > 0) warn(`${error.message}: a target that must be signed here will fail`);
  }
}
