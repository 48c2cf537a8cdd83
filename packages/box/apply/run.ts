import { type Box, describeError } from '../io/box.ts';
import type { Service } from './services.ts';

/** What did not work, in words for a person. */
export type Troubles = string[];

const VERBS = { stop: 'stop', start: 'start', restart: 'try-restart', reload: 'reload-or-restart' } as const;

/** Seconds that a unit gets: one that never stops must not hold the apply for ever. */
const PATIENCE = 90;

function argvOf(service: Service): readonly string[] {
  return service.do === 'run' ? service.argv : ['systemctl', VERBS[service.do], '--', service.unit];
}

const nameOf = (service: Service): string =>
  service.do === 'run' ? service.what : `${service.do} of ${service.unit}`;

/** Acts on running units, in order. It goes on after a failure, and tells all of them. */
export function runServices(box: Box, services: readonly Service[]): Troubles {
  return services.flatMap((service) => {
    try {
      const ran = box.run(argvOf(service), { timeoutSeconds: PATIENCE });
      if (ran.code === 0) return [];
      if (ran.code === 124) return [`${nameOf(service)} did not end in ${PATIENCE} seconds`];
      const said = (ran.stderr.trim() || ran.stdout.trim()).split('\n').slice(-2).join('; ');
      return [`${nameOf(service)} failed${said === '' ? '' : `: ${said}`}`];
    } catch (error) {
      return [`${nameOf(service)} failed: ${describeError(error)}`];
    }
  });
}

/** Units are read again, and enabled or disabled as the config says. */
export function changeUnits(box: Box, enable: readonly string[], disable: readonly string[]): Troubles {
  const run = (what: string, argv: readonly string[]): Troubles => {
    const ran = box.run(argv, { timeoutSeconds: PATIENCE });
    return ran.code === 0 ? [] : [`${what} failed: ${ran.stderr.trim()}`];
  };
  return [
    ...(disable.length === 0
      ? []
      : run('disabling units', ['systemctl', 'disable', '--no-reload', '--', ...disable])),
    ...run('reading units again', ['systemctl', 'daemon-reload']),
    ...(enable.length === 0 ? [] : run('enabling units', ['systemctl', 'enable', '--', ...enable])),
  ];
}
