import { dataOf } from './data-url.ts';
import { isObject, type Json, type JsonObject } from './json/value.ts';
import type { Entry } from './report.ts';

/** Checks beyond Ignition's own. They never change the verdict: each finding is a warning. */

/** A quarter of the default state partition (DESIGN section 6): more than that is probably a mistake. */
const LARGE_TOTAL = 1024 * 1024 * 1024;

interface Finding {
  readonly path: string;
  readonly message: string;
}

const listOf = (value: Json | undefined): JsonObject[] =>
  Array.isArray(value) ? value.filter(isObject) : [];
const section = (config: JsonObject, name: string): JsonObject =>
  isObject(config[name]) ? config[name] : {};

interface TextFile {
  readonly path: string;
  readonly at: string;
  readonly text: string;
  readonly size: number;
}

/** Files whose contents stand in the config. */
function textFiles(config: JsonObject): TextFile[] {
  return listOf(section(config, 'storage').files).flatMap((file, index) => {
    const contents = isObject(file.contents) ? file.contents : {};
    const source = typeof contents.source === 'string' ? contents.source : '';
    const data = contents.compression ? undefined : dataOf(source);
    if (data === undefined) return [];
    return [
      {
        path: String(file.path),
        at: `$.storage.files.${index}`,
        text: data.toString('utf8'),
        size: data.length,
      },
    ];
  });
}

/** Host ports a quadlet publishes: `udp/53`. */
function publishedPorts(text: string): string[] {
  return [...text.matchAll(/^PublishPort=(.*)$/gm)].flatMap(([, value = '']) => {
    const [address = '', protocol = 'tcp'] = value.trim().split('/');
    const host = address.split(':').at(-2);
    return host && /^[0-9]+$/.test(host) ? [`${protocol}/${host}`] : [];
  });
}

/** Two services that claim one port of the host. */
function portConflicts(files: readonly TextFile[]): Finding[] {
  const owners = new Map<string, string>();
  const findings: Finding[] = [];
  for (const { path, at, text } of files) {
    if (!/\/containers\/systemd\/.*\.(container|pod|kube)$/.test(path)) continue;
    for (const port of publishedPorts(text)) {
      const owner = owners.get(port);
      if (owner === undefined) owners.set(port, path);
      else
        findings.push({
          path: at,
          message: `port ${port} is published by ${owner} already; take another one`,
        });
    }
  }
  return findings;
}

function quadletFaults(files: readonly TextFile[]): Finding[] {
  return files.flatMap(({ path, at, text }) => {
    const kind = /\/containers\/systemd\/.*\.(container|pod|volume|network)$/.exec(path)?.[1];
    if (kind === undefined) return [];
    const name = `[${kind.charAt(0).toUpperCase()}${kind.slice(1)}]`;
    if (!text.includes(name))
      return [{ path: at, message: `quadlet without ${name}: podman generates no service of it` }];
    if (kind !== 'container' || /^(Image|Rootfs)=./m.test(text)) return [];
    return [{ path: at, message: 'container quadlet without Image=: podman generates no service of it' }];
  });
}

function largeContents(files: readonly TextFile[]): Finding[] {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  return total > LARGE_TOTAL
    ? [{ path: '$.storage.files', message: `contents of ${total} bytes fill the state partition` }]
    : [];
}

/** What the config's quadlets will stumble over on the machine, as warnings without a place in the text. */
export function checkStrictly(config: JsonObject): Entry[] {
  const files = textFiles(config);
  const findings = [...portConflicts(files), ...quadletFaults(files), ...largeContents(files)];
  return findings.map((finding) => ({ kind: 'warning', ...finding, line: 0, column: 0 }));
}
