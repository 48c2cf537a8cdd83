import { badInput } from '../../sdk/lib/errors.ts';
import { copied, type Setting } from './ini.ts';

/** Settings of the kernel and of the start of a container (podman-run(1)). */
export interface Tuning {
  /** Size of /dev/shm: `256M`, `1G`; default: 64 MB. */
  readonly shmSize?: string;
  /** Limits of each process (getrlimit(2)): `{ nofile: 65536 }`. -1: no limit. */
  readonly ulimits?: { readonly [name: string]: number | Ulimit };
  /** Kernel parameters of the container's own network and IPC: `{ 'net.core.somaxconn': 1024 }`. */
  readonly sysctls?: { readonly [name: string]: string | number };
  /**
   * Program to run instead of the image's own, with its first arguments. The words of `command` follow them. `[]`: the
   * first word of `command` is the program.
   */
  readonly entrypoint?: readonly string[];
}

/** A limit that a process may raise from `soft` up to `hard`. */
export interface Ulimit {
  readonly soft: number;
  readonly hard: number;
}

/** Names that podman knows (go-units, ulimit.go). */
const ULIMITS =
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  );

/** Names of the kernel parameters that each container has for itself (podman-run(1), --sysctl). */
const OWN_SYSCTL =
  /^(net\.[a-z0-9_.\-/]+|fs\.mqueue\.[a-z_]+|kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced))$/i;

/** The options of a container that decide whether it has a network and an IPC namespace of its own. */
interface Sharing {
  readonly pod?: string;
  readonly command?: readonly string[];
  readonly network?: unknown;
}

type Refuse = (option: string, message: string, hint: string) => never;

function ulimitWords(name: string, limit: number | Ulimit, refuse: Refuse): string {
  const at = `ulimits.${name}`;
  if (!ULIMITS.includes(name))
    refuse(at, `not a limit of processes: ${JSON.stringify(name)}`, `there are: ${ULIMITS.join(', ')}`);
  const { soft, hard } = typeof limit === 'object' ? limit : { soft: limit, hard: limit };
  for (const number of [soft, hard])
    if (!Number.isSafeInteger(number) || number < -1)
      refuse(at, `not a limit: ${JSON.stringify(number)}`, 'write a whole number, or -1 for no limit');
  if (hard !== -1 && (soft === -1 || soft > hard))
    refuse(at, `the soft limit of ${name} is above the hard limit`, 'write a soft limit up to the hard one');
  return `${name}=${soft}:${hard}`;
}

function sysctlWords(name: string, value: string | number, { network }: Sharing, refuse: Refuse): string {
  const at = `sysctls.${name}`;
  if (!OWN_SYSCTL.test(name))
    refuse(
      at,
      `a container has no kernel parameter ${JSON.stringify(name)} of its own`,
      `set it for the machine: files: { '/etc/sysctl.d/60-own.conf': { contents: '${name} = …\\n' } }`,
    );
  if (network === 'host' && /^net\./i.test(name))
    refuse(
      at,
      `${name} is a parameter of the network, and the container is on the network of the host`,
      'set it for the machine',
    );
  const text = String(value);
  if (!/^[A-Za-z0-9_.,:/+-]+([ \t]+[A-Za-z0-9_.,:/+-]+)*$/.test(text))
    refuse(at, `not a value of a kernel parameter: ${JSON.stringify(text)}`, 'write 1, or 1024 65000');
  return `"${name}=${text}"`;
}

/** Lines of a quadlet. Refuses values that podman ignores, and values that stop the start of the container. */
export function tuningSettings(
  container: string,
  { shmSize, ulimits = {}, sysctls = {}, entrypoint, ...sharing }: Tuning & Sharing,
): { readonly [setting: string]: Setting } {
  const refuse: Refuse = (option, message, hint) => {
    throw badInput(message, { where: `containers.${container}.${option}`, hint });
  };
  if (shmSize !== undefined && !(/^[0-9]+(\.[0-9]+)?[KMG]?$/.test(shmSize) && /[1-9]/.test(shmSize)))
    refuse('shmSize', `not a size of /dev/shm: ${JSON.stringify(shmSize)}`, 'write 256M or 1G');
  if (shmSize !== undefined && sharing.pod !== undefined)
    refuse(
      'shmSize',
      `${container} has the /dev/shm of its pod: podman ignores shmSize`,
      'leave out shmSize or pod',
    );
  if (entrypoint !== undefined && !(entrypoint[0] ?? sharing.command?.[0]))
    refuse(
      'entrypoint',
      'entrypoint names no program, and command neither',
      "write ['/bin/program', 'argument'], or leave it out",
    );
  return {
    ShmSize: shmSize,
    Ulimit: Object.entries(ulimits).map(([name, limit]) => ulimitWords(name, limit, refuse)),
    Sysctl: Object.entries(sysctls).map(([name, value]) => sysctlWords(name, value, sharing, refuse)),
    // podman reads a list of words as JSON.
    Entrypoint: entrypoint === undefined ? undefined : copied(JSON.stringify(entrypoint)),
  };
}
