import { type Box, whyFailed } from '../io/box.ts';
import type { Gate } from '../update/policy.ts';
import { importedPools } from '../zfs/pools.ts';
import { containersOf, unitStates } from './baseline.ts';

/** The gate for owners' units that are ordered before boot-complete.target. */
export const BOOT_COMPLETE: Gate = { unit: 'boot-complete.target' };

/** The name of a gate in logs. */
function gateName(gate: Gate): string {
  if ('unit' in gate) return gate.unit;
  if ('command' in gate) return `command ${gate.command.join(' ')}`;
  if ('http' in gate) return gate.http;
  return 'container' in gate ? `container ${gate.container}` : `pool ${gate.pool}`;
}

/** The reason why a gate is not met; undefined if it is met. */
export function gateFault(box: Box, gate: Gate): string | undefined {
  if ('unit' in gate) {
    const [state] = unitStates(box, [gate.unit]);
    return state?.active === 'active' ? undefined : `${gate.unit} is ${state?.active ?? 'unknown'}`;
  }
  if ('command' in gate) {
    const ran = box.run(gate.command, { timeoutSeconds: 60 });
    return ran.code === 0 ? undefined : `gate ${gateName(gate)}: ${whyFailed(gate.command, ran)}`;
  }
  if ('http' in gate) return httpFault(box, gate.http, gate.status);
  if ('container' in gate) {
    const found = containersOf(box).find(({ name }) => name === gate.container);
    if (!found?.running) return `container ${gate.container} does not run`;
    return found.healthy === false ? `container ${gate.container} is not healthy` : undefined;
  }
  const pool = importedPools(box).find(({ name }) => name === gate.pool);
  return pool?.state === 'ONLINE' ? undefined : `pool ${gate.pool} is ${pool?.state ?? 'not imported'}`;
}

function httpFault(box: Box, address: string, status: number): string | undefined {
  const options = [
    '--silent',
    '--show-error',
    '--globoff',
    '--noproxy',
    '*',
    '--max-time',
    '15',
    '--proto',
    '=http,https',
  ];
  const command = ['curl', ...options, '--output', '/dev/null', '--write-out', '%{http_code}', address];
  const ran = box.run(command);
  if (ran.code !== 0) return `${address}: ${whyFailed(command, ran)}`;
  return Number(ran.stdout) === status ? undefined : `${address} answers ${ran.stdout}, not ${status}`;
}
