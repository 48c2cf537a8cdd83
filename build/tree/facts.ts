import type { Entry, Tree } from './entry.ts';

/* Facts of a tree for reports. Each is a table of name → description. */

const CAPABILITY = 'security.capability';

export function privilegedOf({ entries }: Tree): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of entries) {
    const capability = entry.xattrs?.[CAPABILITY];
    if (entry.type !== 'file' || ((entry.mode & 0o6000) === 0 && capability === undefined)) continue;
    const rights = `${entry.mode.toString(8).padStart(4, '0')} ${entry.uid}:${entry.gid}`;
    found.set(entry.path, capability === undefined ? rights : `${rights} capabilities ${capability}`);
  }
  return found;
}

/** Unit files and enabling links, named as systemctl would: the path below systemd/system/. */
export function unitsOf({ entries }: Tree): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of entries) {
    const [, unit] =
      /^(?:usr\/lib|usr\/share\/[^/]+\/etc|etc)\/systemd\/system\/(.+)$/.exec(entry.path) ?? [];
    if (unit === undefined || entry.type === 'dir') continue;
    found.set(unit, entry.type === 'file' ? entry.content.sha256.slice(0, 12) : `→ ${entry.target}`);
  }
  return found;
}

export function isPasswd(path: string): boolean {
  return /(^|\/)etc\/passwd$/.test(path);
}

export function parsePasswd(text: string): [string, string][] {
  return text.split('\n').flatMap((line): [string, string][] => {
    const [name, , ...rest] = line.split(':');
    return name ? [[name, rest.join(':')]] : [];
  });
}

export function isKernelConfig(path: string): boolean {
  return /^(usr\/lib\/modules\/[^/]+\/config|(usr\/lib\/)?boot\/config-[^/]+)$/.test(path);
}

export function parseKernelConfig(text: string): [string, string][] {
  return text.split('\n').flatMap((line): [string, string][] => {
    const [, option, value] = /^(CONFIG_\w+)=(.*)$/.exec(line) ?? [];
    return option === undefined || value === undefined ? [] : [[option, value]];
  });
}

/** Sockets that a unit of a `.wants` folder opens (systemd.socket(5), Listen…=): unit → what it listens on. */
export function listenersOf(
  { entries }: Tree,
  read: (file: Extract<Entry, { type: 'file' }>) => string,
): Map<string, string> {
  const wanted = new Set(
    entries.flatMap(({ path }) => /\.(?:wants|requires)\/([^/]+\.socket)$/.exec(path)?.[1] ?? []),
  );
  const found = new Map<string, string>();
  for (const entry of entries) {
    const [, unit] = /\/systemd\/system\/([^/]+\.socket)$/.exec(entry.path) ?? [];
    if (unit === undefined || entry.type !== 'file' || !wanted.has(unit)) continue;
    const lines = [...read(entry).matchAll(/^Listen(\w+)=(.+)$/gm)];
    found.set(unit, lines.map(([, kind, address]) => `${kind} ${address}`).join(', '));
  }
  return found;
}
