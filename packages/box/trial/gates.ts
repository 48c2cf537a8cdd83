import { type Box, whyFailed } from '../io/box.ts';
import { type Gate, type GateKinds, kindOf } from '../settings/update.ts';
import { importedPools } from '../zfs/pools.ts';
import { containersOf, unitStates } from './baseline.ts';

/** The gate for owners' units that are ordered before boot-complete.target. */
export const BOOT_COMPLETE: Gate = { unit: 'boot-complete.target' };

/** For each kind: the reason why a gate is not met; undefined if it is met. */
const FAULTS: {
  readonly [Kind in keyof GateKinds]: (box: Box, gate: GateKinds[Kind]) => string | undefined;
} = {
  unit(box, { unit }) {
    const [state] = unitStates(box, [unit]);
    return state?.active === 'active' ? undefined : `${unit} is ${state?.active ?? 'unknown'}`;
  },
  command(box, { command }) {
    const ran = box.run(command, { timeoutSeconds: 60 });
    return ran.code === 0 ? undefined : `gate command ${command.join(' ')}: ${whyFailed(command, ran)}`;
  },
  http: (box, { http, status = 200 }) => httpFault(box, http, status),
  container(box, { container }) {
    const found = containersOf(box).find(({ name }) => name === container);
    if (!found?.running) return `container ${container} does not run`;
    return found.healthy === false ? `container ${container} is not healthy` : undefined;
  },
  pool(box, { pool }) {
    const found = importedPools(box).find(({ name }) => name === pool);
    return found?.state === 'ONLINE' ? undefined : `pool ${pool} is ${found?.state ?? 'not imported'}`;
  },
};

/** The reason why a gate is not met; undefined if it is met. */
export const gateFault = (box: Box, gate: Gate): string | undefined =>
  FAULTS[kindOf(gate)](box, gate as never);

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
  const ran = box.run(command, { timeoutSeconds: 20 });
  if (ran.code !== 0) return `${address}: ${whyFailed(command, ran)}`;
  return Number(ran.stdout) === status ? undefined : `${address} answers ${ran.stdout}, not ${status}`;
}
