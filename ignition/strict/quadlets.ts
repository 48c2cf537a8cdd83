import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ConfigFile, PlacedText } from './contents.ts';
import type { Finding } from './finding.ts';
import { GENERATED, type Stage } from './stage.ts';
import { lineWith, settings } from './units.ts';

const FOLDER = '/etc/containers/systemd/';
const USERS = `${FOLDER}users/`;
const KINDS = /\.(container|pod|volume|network|kube|build|image)$/;

/** The quadlets of the system, and their drop-ins. Quadlets of users are in users/ and are not checked. */
export function isQuadlet({ path, remote }: ConfigFile): boolean {
  return path.startsWith(FOLDER) && !path.startsWith(USERS) && !remote;
}

/** A unit that podman makes of a quadlet. */
export interface GeneratedUnit {
  readonly name: string;
  readonly text: string;
  readonly quadlet: PlacedText;
}

/** The name of a quadlet's service, unless the quadlet sets one (podman-systemd.unit(5)). */
export function serviceName(path: string): string | undefined {
  const kind = path.startsWith(FOLDER) ? KINDS.exec(path)?.[1] : undefined;
  if (kind === undefined) return undefined;
  const name = basename(path, `.${kind}`);
  return `${name}${kind === 'container' || kind === 'kube' ? '' : `-${kind}`}.service`;
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/no Image or Rootfs key/, 'write Image= into [Container]'],
  [/unsupported key/, 'misspelt, or it belongs to another section; see podman-systemd.unit(5)'],
  [/not a key-value pair/, 'write [Section] lines, NAME=VALUE lines and # comments'],
  [/was not found/, 'write that quadlet too, or correct the name'],
  [/not a fully qualified image name/, 'begin it with the registry: docker.io/library/NAME:TAG'],
];

function finding({ at, text }: PlacedText, said: string): Finding {
  const what = said.trim().replace(/ in \/etc\/containers\/systemd\/\S+$|\. This is not ideal .*$/, '');
  const hint = HINTS.find(([pattern]) => pattern.test(said))?.[1] ?? 'podman generates no service of it';
  const key = /unsupported key '([^']+)'/.exec(said)?.[1];
  const word = key === undefined ? /source (\S+) was not found/.exec(said)?.[1] : `${key}=`;
  const line = Number(/contains line (\d+)/.exec(said)?.[1] ?? (word ? lineWith(text, word) : 0));
  return { path: at, message: `podman${line > 0 ? `, line ${line}` : ''}: ${what}; ${hint}` };
}

/**
 * Messages of podman's generator, by the file that they name: `error loading "PATH"`, `converting "NAME"`,
 * `NAME specifies`.
 */
function attribute(lines: readonly string[], quadlets: readonly ConfigFile[]): Map<ConfigFile, string> {
  const said = new Map<ConfigFile, string>();
  for (const raw of lines) {
    const line = raw.replace(/^quadlet-generator\[\d+\]: /, '').replace(/^Warning: /, '');
    const [, name = '', rest = ''] =
      /^(?:error loading|converting) "([^"]+)"[,:] (.*)$/.exec(line) ??
      /^(\S+) (specifies .*)$/.exec(line) ??
      [];
    const file = quadlets.find(({ path }) => path === name || basename(path) === name);
    if (file && !said.has(file)) said.set(file, rest);
  }
  return said;
}

function generatedUnits(stage: Stage, quadlets: readonly ConfigFile[]): GeneratedUnit[] {
  const folder = stage.folder(GENERATED);
  const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.flatMap(({ name }) => {
    const text = readFileSync(join(folder, name), 'utf8');
    const quadlet = quadlets.find(({ path }) => settings(text, 'SourcePath').includes(path));
    return quadlet ? [{ name, text, quadlet }] : [];
  });
}

/**
 * Runs podman's own generator on the quadlets of a config. Its errors and warnings become findings. The units
 * that it makes are then on the stage.
 * The generator stops at a file that it cannot read, so it runs again without that file.
 */
export async function checkQuadlets(
  stage: Stage,
  files: readonly ConfigFile[],
  findings: Finding[],
): Promise<GeneratedUnit[]> {
  for (const { path, at } of files.filter(({ path }) => path.startsWith(USERS) && KINDS.test(path))) {
    findings.push({ path: at, message: `${path} is a quadlet of a user and was not looked at` });
  }
  let quadlets = files
    .filter(isQuadlet)
    .filter(({ path, text, at }) => stage.place(path, text, at))
    .filter(({ path }) => KINDS.test(path) || path.endsWith('.conf'));
  while (quadlets.some(({ path }) => KINDS.test(path))) {
    const lines = await stage.run(['/usr/libexec/podman/quadlet', '--no-kmsg-log', GENERATED]);
    const said = attribute(lines, quadlets);
    for (const [file, what] of said) findings.push(finding(file, what));
    const unread = quadlets.filter(
      (file) => said.has(file) && lines.some((line) => line.includes(`error loading "${file.path}"`)),
    );
    if (lines.length > 0 && said.size === 0) {
      const message = `podman: ${lines[0]?.slice(0, 300)}`;
      findings.push({ path: quadlets[0]?.at ?? [], message });
    }
    if (unread.length === 0) break;
    for (const file of unread) await rm(stage.folder(file.path));
    quadlets = quadlets.filter((file) => !unread.includes(file));
  }
  return generatedUnits(stage, quadlets);
}
