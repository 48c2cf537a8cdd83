import { existsSync } from 'node:fs';
import type { Step } from '../base/step.ts';
import { addressesMeet } from '../sugar/addresses.ts';
import { AARDVARK_PORT } from '../sugar/name-server.ts';
import type { ConfigFile } from './contents.ts';
import type { Finding } from './finding.ts';
import { type ImageView, imageFile, imageText, imageUnits, UNIT_FOLDER } from './image.ts';
import { isQuadlet } from './quadlets.ts';
import { type ConfigUnit, settings } from './units.ts';

/** A port of the host with a listener. */
interface Claim {
  readonly protocol: string;
  /** The range includes both ends. */
  readonly from: number;
  readonly to: number;
  /** Empty: every address. 0.0.0.0: every IPv4 address. [::]: every IPv6 address. */
  readonly address: string;
  /** The owner in messages: a path of the config, or a service of the image. */
  readonly owner: string;
  /** The path in the config; absent for services of the image. */
  readonly at?: readonly Step[];
  /** The name of the unit without its type: a service and the socket that starts it share a port. */
  readonly service: string;
}

/** The machine's address on podman's default network. */
const BRIDGE = '10.88.0.1';

/** Hint for a container with a DNS server. */
const DNS_ADVICE = `have it on one address, or make room: DNSStubListener=no below [Resolve] in /etc/systemd/resolved.conf.d/50-port-53.conf, dns_bind_port = ${AARDVARK_PORT} below [network] in /etc/containers/containers.conf.d/50-port-53.conf, and a link /etc/resolv.conf to ../run/systemd/resolve/resolv.conf`;

type Listener = Pick<Claim, 'owner' | 'at' | 'service'>;

/**
 * Ports of the form `[[ADDRESS:]PORT[-PORT]:]PORT[/PROTOCOL]`, as podman reads it. Forms without a port of
 * the host give none.
 */
function published(value: string, listener: Listener): Claim[] {
  const [, address = '', from = '', to = from, protocol = 'tcp'] =
    /^(?:(\[[^\]]*\]|[0-9.]*):)?([0-9]+)(?:-([0-9]+))?:[0-9-]+(?:\/([a-z]+))?$/.exec(value) ?? [];
  if (from === '') return [];
  const range = { from: Number(from), to: Number(to) };
  return [{ ...listener, ...range, protocol, address }];
}

/**
 * `PORT` or `ADDRESS:PORT` of ListenStream= (tcp) and ListenDatagram= (udp). Paths, pipes and vsock are not
 * ports.
 */
function listens(text: string, listener: Listener): Claim[] {
  const of = (setting: string, protocol: string): Claim[] => {
    const values = settings(text, setting);
    const kept = values.slice(values.lastIndexOf('') + 1); // an empty value removes the values before it
    return kept.flatMap((value) => {
      const [, address = '', port] = /^(?:(\[[^\]]*\]|[0-9.]+):)?([0-9]+)$/.exec(value) ?? [];
      if (port === undefined) return [];
      const [from, to] = [Number(port), Number(port)];
      // A socket of systemd on [::] takes IPv4 as well (systemd.socket(5), BindIPv6Only=); a port of podman does not.
      const isBoth = address === '[::]' && settings(text, 'BindIPv6Only').at(-1) !== 'ipv6-only';
      return [{ ...listener, from, to, protocol, address: isBoth ? '' : address }];
    });
  };
  return [...of('ListenStream', 'tcp'), ...of('ListenDatagram', 'udp')];
}

function ofQuadlets(files: readonly ConfigFile[]): Claim[] {
  const owners = files.filter((file) => isQuadlet(file) && /\.(container|pod|kube)$/.test(file.path));
  return owners.flatMap(({ path, at, text }) =>
    settings(text, 'Network').at(-1) === 'host'
      ? []
      : settings(text, 'PublishPort').flatMap((value) =>
          published(value, { owner: path, at, service: path }),
        ),
  );
}

/** Images of DNS servers, by the last part of their names. */
const DNS_SERVERS =
  /(^|\/)(pihole|adguardhome|unbound|bind9?|coredns|dnsmasq|dns-server|blocky|knot(-resolver)?|pdns-[a-z]+(-\d+)?|dnsdist(-\d+)?)([:@]|$)/i;

/**
 * Containers on the host's network do not publish ports, so their ports are unknown. A DNS server is recognized by its
 * image, or by port 53 in its command or environment.
 */
function ofHostNetwork(files: readonly ConfigFile[]): Claim[] {
  return files
    .filter((file) => isQuadlet(file) && file.path.endsWith('.container'))
    .flatMap(({ path, at, text }) => {
      if (settings(text, 'Network').at(-1) !== 'host') return [];
      const isServer = settings(text, 'Image').some((image) => DNS_SERVERS.test(image));
      const words = [...settings(text, 'Exec'), ...settings(text, 'Environment')].join(' ');
      if (!isServer && !/(^|[\s:="'])53([\s"'/]|$)/.test(words)) return [];
      const claim = { owner: path, at, service: path, from: 53, to: 53, address: '' };
      return [{ ...claim, protocol: 'udp' }];
    });
}

const stem = (name: string): string => name.replace(/\.(socket|service)$/, '');

/** Sockets that the config writes, changes or enables. */
function ofSockets(units: readonly ConfigUnit[], image: ImageView | undefined): Claim[] {
  const names = new Set(units.flatMap(({ name }) => (name.endsWith('.socket') ? [name] : [])));
  return [...names].flatMap((name) => {
    const parts = units.filter((unit) => unit.name === name);
    const file = parts.find((unit) => unit.file)?.file;
    const started = file
      ? !parts.some(({ enabled }) => enabled === false)
      : parts.some(({ enabled }) => enabled);
    if (!started || parts.some(({ masked }) => masked)) return [];
    const base = file?.text ?? (image ? imageText(image, `${UNIT_FOLDER}/${name}`) : undefined) ?? '';
    const text = [base, ...parts.flatMap(({ dropins }) => dropins.map((dropin) => dropin.text))].join('\n');
    const at = file?.at ?? parts[0]?.at ?? [];
    return listens(text, { owner: name, at, service: stem(name) });
  });
}

const stopped = (units: readonly ConfigUnit[], name: string): boolean =>
  units.some((unit) => unit.name === name && (unit.masked || unit.enabled === false));

/** The value of `keyword` in the config's files in `folder`, or in the main configuration file at `main`. */
function configured(files: readonly ConfigFile[], folder: string, main: string, pattern: RegExp): string[] {
  return files
    .filter(({ path }) => path === main || (path.startsWith(`${folder}/`) && path.endsWith('.conf')))
    .flatMap(({ text }) => [...text.matchAll(pattern)].map(([, value = '']) => value));
}

/** Listeners of the image: sshd, the resolver, its enabled sockets. */
function ofImage(image: ImageView, units: readonly ConfigUnit[], files: readonly ConfigFile[]): Claim[] {
  const claims: Claim[] = [];
  const shipped = imageUnits(image);
  if (shipped.has('ssh.service') && !stopped(units, 'ssh.service')) {
    const pattern = /^[ \t]*Port[ \t=]+([0-9]+)/gim;
    const own = configured(files, '/etc/ssh/sshd_config.d', '/etc/ssh/sshd_config', pattern);
    const listener = { owner: 'sshd of the image', service: 'ssh', protocol: 'tcp', address: '' };
    for (const port of own.length > 0 ? own : ['22']) {
      claims.push({ ...listener, from: Number(port), to: Number(port) });
    }
  }
  if (shipped.has('systemd-resolved.service') && !stopped(units, 'systemd-resolved.service')) {
    const pattern = /^[ \t]*DNSStubListener[ \t]*=[ \t]*([a-z]+)/gim;
    const shippedText = imageText(image, '/usr/lib/systemd/resolved.conf.d/10-draisine.conf') ?? '';
    const shippedValue = [...shippedText.matchAll(pattern)].at(-1)?.[1] ?? 'yes';
    const own = configured(files, '/etc/systemd/resolved.conf.d', '/etc/systemd/resolved.conf', pattern);
    const stub = (own.at(-1) ?? shippedValue).toLowerCase();
    for (const protocol of /^(no|0|off|false)$/.test(stub) ? [] : ['tcp', 'udp']) {
      if (stub !== 'yes' && stub !== 'true' && stub !== protocol) continue;
      const listener = { owner: 'systemd-resolved of the image', service: 'systemd-resolved' };
      claims.push({ ...listener, protocol, from: 53, to: 53, address: '127.0.0.53' });
    }
  }
  return claims;
}

/** aardvark-dns answers containers on the address of their bridge, at port 53 unless the config moves it. */
function ofAardvark(image: ImageView, files: readonly ConfigFile[]): Claim[] {
  if (!existsSync(imageFile(image, '/usr/lib/podman/aardvark-dns'))) return [];
  const folder = '/etc/containers/containers.conf.d';
  const main = '/etc/containers/containers.conf';
  const port = Number(
    configured(files, folder, main, /^[ \t]*dns_bind_port[ \t]*=[ \t]*([0-9]+)/gm).at(-1) ?? 53,
  );
  const listener = { owner: 'aardvark-dns of the image', service: 'aardvark-dns', address: BRIDGE };
  return ['tcp', 'udp'].map((protocol) => ({ ...listener, protocol, from: port, to: port }));
}

const overlaps = (one: Claim, other: Claim): boolean =>
  one.protocol === other.protocol &&
  one.from <= other.to &&
  other.from <= one.to &&
  addressesMeet(one.address, other.address) &&
  (one.service !== other.service || one.owner === other.owner);

/** Ports that two services use: quadlets, sockets, and listeners of the image. */
export function checkPorts(
  units: readonly ConfigUnit[],
  files: readonly ConfigFile[],
  image: ImageView | undefined,
): Finding[] {
  const claims = [
    ...(image ? [...ofImage(image, units, files), ...ofAardvark(image, files)] : []),
    ...ofSockets(units, image),
    ...ofQuadlets(files),
    ...ofHostNetwork(files),
  ];
  return findConflicts(claims);
}

/** Compares each port with the earlier ones of the same number. A table by number keeps this fast. */
function findConflicts(claims: readonly Claim[]): Finding[] {
  const single = new Map<number, Claim[]>();
  const ranges: Claim[] = [];
  const findings: Finding[] = [];
  for (const claim of claims) {
    const isRange = claim.to > claim.from;
    const near = isRange ? [...single.values()].flat() : (single.get(claim.from) ?? []);
    const other = [...near, ...ranges].find((each) => overlaps(each, claim));
    if (other && claim.at) {
      const port = Math.max(claim.from, other.from);
      const advice = /^(systemd-resolved|aardvark-dns)$/.test(other.service)
        ? DNS_ADVICE
        : 'take another one';
      const message = `port ${claim.protocol}/${port} is taken by ${other.owner} already; ${advice}`;
      findings.push({ path: claim.at, message });
    }
    if (isRange) ranges.push(claim);
    else single.set(claim.from, [...(single.get(claim.from) ?? []), claim]);
  }
  return findings;
}
