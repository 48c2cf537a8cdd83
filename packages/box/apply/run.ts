import { type Box, describeError } from '../io/box.ts';
import { type Plan, pathOf } from './plan.ts';
import type { Service } from './services.ts';

/** A failure, as text for a person. */
export type Troubles = string[];

/** try-restart does not start a unit that is stopped. */
const VERBS = { stop: 'stop', start: 'start', restart: 'try-restart', reload: 'reload-or-restart' } as const;

/**
 * Seconds for one unit. A unit that does not stop must not block the apply for ever. The limit is above systemd's own
 * limits, 90 s for a stop and 90 s for a start, so that systemd can kill a hanging program and restart it.
 */
const PATIENCE = 200;

/** Whether the service has failed and shall start with its new file. The number of its failed starts then begins anew. */
function isRevived(box: Box, service: Service): boolean {
  if (service.do !== 'restart' || !service.startsIfFailed) return false;
  const state = box.run(['systemctl', 'show', '--property=ActiveState', '--value', '--', service.unit]);
  if (state.stdout.trim() !== 'failed') return false;
  box.run(['systemctl', 'reset-failed', '--', service.unit]);
  return true;
}

function verbOf(box: Box, service: Exclude<Service, { do: 'run' }>, running: ReadonlySet<string>): string {
  if (isRevived(box, service)) return 'start';
  // A unit that needed a removed one has stopped with it, and runs again with its new file.
  return service.do === 'restart' && running.has(service.unit) ? 'restart' : VERBS[service.do];
}

const nameOf = (service: Service): string =>
  service.do === 'run' ? service.what : `${service.do} of ${service.unit}`;

/** Exit code of systemctl(1) for a missing unit. */
const NO_UNIT = 5;

/** Stopping or restarting a missing unit is not a failure, because the unit does not run. */
function isMissed(box: Box, service: Service, code: number): boolean {
  if (code !== NO_UNIT || service.do === 'run') return code !== 0;
  if (service.do === 'stop') return false;
  return (
    service.do !== 'restart' || box.run(['systemctl', 'is-active', '--quiet', '--', service.unit]).code === 0
  );
}

/**
 * Acts on running units, in order. Goes on after a failure, and returns all failures.
 * @param running units that ran before the apply, and run again after a restart
 */
export function runServices(
  box: Box,
  services: readonly Service[],
  running: ReadonlySet<string> = new Set(),
): Troubles {
  return services.flatMap((service) => {
    try {
      const argv =
        service.do === 'run'
          ? service.argv
          : ['systemctl', verbOf(box, service, running), '--', service.unit];
      const ran = box.run(argv, { timeoutSeconds: PATIENCE });
      if (!isMissed(box, service, ran.code)) return [];
      if (ran.code === 124) return [`${nameOf(service)} did not end in ${PATIENCE} seconds`];
      const said = (ran.stderr.trim() || ran.stdout.trim()).split('\n').slice(-2).join('; ');
      return [`${nameOf(service)} failed${said === '' ? '' : `: ${said}`}`];
    } catch (error) {
      return [`${nameOf(service)} failed: ${describeError(error)}`];
    }
  });
}

/**
 * Stops units before their files are removed. Without the file, systemd does not know the unit's ExecStop=. And a timer
 * whose service has vanished fails at the next reload.
 */
export const stops = (service: Service): boolean => service.do === 'stop';

/** Clears the failed state of units that are stopped, because systemd keeps it otherwise. */
export function forgetFailed(box: Box, services: readonly Service[]): void {
  const stopped = services.flatMap((service) => (service.do === 'stop' ? [service.unit] : []));
  if (stopped.length > 0) box.run(['systemctl', 'reset-failed', '--', ...stopped]);
}

function runAll(box: Box, what: string, argv: readonly string[]): Troubles {
  const ran = box.run(argv, { timeoutSeconds: PATIENCE });
  return ran.code === 0 ? [] : [`${what} failed: ${ran.stderr.trim()}`];
}

/** Runs `systemctl VERB UNIT…`. Without units it runs nothing. */
const ofUnits = (box: Box, what: string, verb: readonly string[], units: readonly string[]): Troubles =>
  units.length === 0 ? [] : runAll(box, what, ['systemctl', ...verb, '--', ...units]);

/**
 * Disables units. It must run before their files are removed, because systemctl keeps the links of missing and masked
 * units.
 */
export const disableUnits = (box: Box, { disable }: Pick<Plan, 'disable'>): Troubles =>
  ofUnits(box, 'disabling units', ['disable', '--no-reload'], disable);

/** Starts units, even if they have failed too often. */
export function reviveUnits(box: Box, units: readonly string[]): Troubles {
  if (units.length > 0) box.run(['systemctl', 'reset-failed', '--', ...units]);
  return ofUnits(box, 'starting units', ['start'], units);
}

/**
 * The paths that systemd or a generator of the release reads at a reload. A unit file may be anywhere, with a link to
 * it below /etc/systemd.
 */
const READ_BY_SYSTEMD =
  /^\/etc\/(systemd|containers\/systemd|zfs)\/|^\/etc\/(fstab|crypttab|veritytab)$|\.(service|socket|target|timer|path|mount|automount|swap|slice)(\.d\/.*)?$/;

const isForSystemd = ({ nodes, enable, disable, reenable }: Changed): boolean =>
  [enable, disable, reenable].some((units) => units.length > 0) ||
  nodes.some((step) => READ_BY_SYSTEMD.test(pathOf(step)));

type Changed = Pick<Plan, 'nodes' | 'enable' | 'disable' | 'reenable'>;

/**
 * Enables units as the config says, and makes systemd read its units again if one changed. It reads them once, because
 * that takes a second or more on a slow machine. By default, systemctl reloads after each verb.
 */
export function changeUnits(box: Box, plan: Changed): Troubles {
  const { enable, reenable } = plan;
  return [
    ...ofUnits(box, 'enabling units anew', ['reenable', '--no-reload'], reenable),
    ...ofUnits(box, 'enabling units', ['enable', '--no-reload'], enable),
    ...(isForSystemd(plan) ? runAll(box, 'reading units again', ['systemctl', 'daemon-reload']) : []),
  ];
}
