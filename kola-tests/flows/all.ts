import { badInput } from '../../sdk/lib/errors.ts';
import type { Flow } from '../harness/crash/flow.ts';
import { applying } from './apply.ts';
import { INSTALLING } from './install.ts';
import { UPDATING } from './update.ts';

/** The flows that `kola crash-states` can look at. */
export const FLOWS: readonly Flow[] = [...INSTALLING, ...UPDATING, applying()];

/** Finds a flow by its name. Throws badInput for an unknown name. */
export function flowNamed(name: string): Flow {
  const found = FLOWS.find((flow) => flow.name === name);
  if (found) return found;
  throw badInput(`there is no flow ${name}`, {
    hint: `there are: ${FLOWS.map((each) => each.name).join(', ')}`,
  });
}
