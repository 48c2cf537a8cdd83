import { posix } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import type { ContainerOptions, Health, Limits, PodOptions } from './container-options.ts';

/** Refuses limits that systemd or podman ignores, and limits that stop the start (systemd.resource-control(5)). */
export function checkLimits(name: string, { memory, cpu, processes }: Limits): void {
  const refuse = (what: string, value: unknown, hint: string): never => {
    throw badInput(`not a limit of ${what}: ${JSON.stringify(value)}`, {
      where: `containers.${name}.limits`,
      hint,
    });
  };
  const isMore = (text: string): boolean => /[1-9]/.test(text);
  // A program does not start with less than a megabyte: the unit was forgotten.
  if (memory !== undefined && /^[0-9]{1,6}$/.test(memory)) refuse('memory', memory, `write ${memory}M`);
  if (memory !== undefined && !(/^([0-9]+(\.[0-9]+)?[KMGT]?|[0-9]+%)$/.test(memory) && isMore(memory)))
    refuse('memory', memory, 'write 512M or 2G');
  if (cpu !== undefined && !(/^[0-9]+(\.[0-9]+)?%$/.test(cpu) && isMore(cpu)))
    refuse('the CPU', cpu, 'write 50% of one CPU, or 200% for two');
  if (processes !== undefined && !(Number.isInteger(processes) && processes > 0))
    refuse('processes', processes, 'write a whole number from 1 on');
}

/** Refuses ports that podman would ignore. */
export function checkPublishing(
  where: string,
  { network, ports = [] }: Pick<ContainerOptions, 'network' | 'ports'> | PodOptions,
): void {
  if (ports.length === 0 || (network !== 'host' && network !== 'none')) return;
  throw badInput(`${where} publishes ports, and its network is ${network}: podman ignores them`, {
    where: `${where}.ports`,
    hint:
      network === 'host'
        ? 'leave ports out; a firewall opens them in firewall.allow'
        : 'leave ports out, or take another network',
  });
}

/** Refuses two mounts at one place of the container: podman would not start it. */
export function checkMounts(
  name: string,
  { volumes = [], tmpfs = [], secrets = {} }: ContainerOptions,
): void {
  const places = [
    ...[...volumes.map(({ at }) => at), ...tmpfs].map((path) => posix.resolve('/', path)),
    ...Object.keys(secrets).map((secret) => `/run/secrets/${secret}`),
  ];
  const twice = places.find((place, index) => places.indexOf(place) !== index);
  if (twice !== undefined)
    throw badInput(`container ${name} has two mounts at ${twice}`, {
      where: `containers.${name}.volumes`,
      hint: 'keep one of them',
    });
}

/** Refuses a group without a user, for which quadlet makes no service, and secrets that the user cannot read. */
export function checkIdentity(name: string, { user, group, userns, secrets = {} }: ContainerOptions): void {
  if (group !== undefined && user === undefined)
    throw badInput(`container ${name} has a group and no user`, {
      where: `containers.${name}.group`,
      hint: 'name its user as well',
    });
  if (userns !== undefined && Object.keys(secrets).length > 0)
    throw badInput(`container ${name} has user numbers of its own, and cannot read files of secrets`, {
      where: `containers.${name}.secrets`,
      hint: 'use secretEnvironment, or leave out userns',
    });
}

/** A duration in the form of podman (Go's time.ParseDuration). */
const DURATION = /^(0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+)$/;

/** Refuses a health check with which podman does not start the container. */
export function checkHealth(name: string, health: Health | undefined): void {
  if (health === undefined) return;
  const where = `containers.${name}.health`;
  if (health.command.trim() === '') throw badInput('a health check has a command', { where });
  for (const option of ['interval', 'timeout', 'startPeriod'] as const) {
    const text = health[option];
    if (text === undefined || DURATION.test(text) || (option === 'interval' && text === 'disable')) continue;
    throw badInput(`not a duration: ${JSON.stringify(text)}`, {
      where: `${where}.${option}`,
      hint: 'write 30s, 5m or 1h30m',
    });
  }
  const { retries } = health;
  if (retries !== undefined && !(Number.isInteger(retries) && retries > 0))
    throw badInput(`${retries} is not a number of retries`, { where: `${where}.retries`, hint: 'write 3' });
}
