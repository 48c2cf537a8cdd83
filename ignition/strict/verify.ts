import { basename } from 'node:path';

import type { Step } from '../base/step.ts';
import type { ConfigFile, PlacedText } from './contents.ts';
import type { Finding } from './finding.ts';
import { type ImageView, imageUnits, UNIT_FOLDER } from './image.ts';
import { checkQuadlets, type GeneratedUnit, serviceName } from './quadlets.ts';
import { GENERATED, type Stage } from './stage.ts';
import { CONFIG_FOLDER, type ConfigUnit, isUnitName, lineWith, templateOf } from './units.ts';

/** Units that a machine makes by itself. A reference to them is not a fault, although they have no file. */
const MADE_BY_SYSTEMD = /\.(device|scope|slice|mount|automount|swap)$/;

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^Unknown key/, 'misspelt, or it belongs to another section; see systemd.directives(7)'],
  [/^Unknown section/, 'misspelt, or not of this kind of unit'],
  [/is not executable/, 'correct the path, or write that file with mode 0755'],
  [/not found\.$/, 'neither the image nor this config has it; correct the name'],
  [/has no ExecStart=/, 'write ExecStart= into [Service]'],
  [/is masked\.$/, 'this config masks it'],
  [/not loaded, socket cannot be started/, 'fix that service first'],
  [/^Assignment outside of section/, 'begin with a [Section] line'],
];

function systemdFinding({ at, text }: PlacedText, what: string, line: number): Finding {
  const hint = HINTS.find(([pattern]) => pattern.test(what))?.[1] ?? 'see systemd.directives(7)';
  // A message without a line gets the line of the word in question.
  const word = /^(?:Command|Unit) (\S+) /.exec(what)?.[1];
  const shown = line > 0 ? line : word === undefined ? 0 : lineWith(text, word);
  const said = what.trim().replace(/\.$/, '');
  return { path: at, message: `systemd${shown > 0 ? `, line ${shown}` : ''}: ${said}; ${hint}` };
}

/** The origin of a unit: by the path of its file, and by its name. */
interface Owners {
  readonly byPath: Map<string, PlacedText>;
  readonly byUnit: Map<string, PlacedText>;
  readonly generated: Map<string, GeneratedUnit>;
}

/** The line of a quadlet from which podman copied a line of the unit. */
function sourceLine({ text, quadlet }: GeneratedUnit, line: number): number {
  const copied = text.split('\n')[line - 1]?.trim() ?? '';
  return copied === '' ? 0 : quadlet.text.split('\n').findIndex((each) => each.trim() === copied) + 1;
}

/** Messages of systemd-analyze: `PATH:LINE: what`, `UNIT: what` or `Unit UNIT what`. */
function attribute(line: string, { byPath, byUnit, generated }: Owners): Finding | undefined {
  const [, path = '', number = '', what = ''] = /^(\/\S+?):(\d+): (.*)$/.exec(line) ?? [];
  const made = path.startsWith(`${GENERATED}/`) ? generated.get(path.slice(GENERATED.length + 1)) : undefined;
  if (made) return systemdFinding(made.quadlet, what, sourceLine(made, Number(number)));
  const file = byPath.get(path);
  if (file) return systemdFinding(file, what, Number(number));
  const [, name = '', said = ''] =
    /^(\S+\.[a-z]+): (.*)$/.exec(line) ?? /^Unit (\S+) ((?:has|is|not) .*)$/.exec(line) ?? [];
  const owner = byUnit.get(name) ?? byUnit.get(templateOf(name) ?? '');
  const reason = said.replace(/^Failed to create \S+\/start: /, '');
  return owner ? systemdFinding(owner, reason, 0) : undefined;
}

/**
 * Drops repeated messages about a unit: that it is bad, after the reason for it, and the same reason once for
 * each drop-in.
 */
function withoutEchoes(findings: readonly Finding[]): Finding[] {
  const key = ({ path, message }: Finding): string => `${path.join('.')} ${message}`;
  const unique = [...new Map(findings.map((each) => [key(each), each])).values()];
  const echo = /: has a bad unit file setting;/;
  return unique.filter(
    ({ path, message }) =>
      !echo.test(message) ||
      !unique.some((other) => !echo.test(other.message) && other.path.join('.') === path.join('.')),
  );
}

interface Known {
  readonly image: ReadonlySet<string>;
  /**
   * Units of the config: those with a file, those of quadlets (refused ones too), and those whose contents
   * are fetched.
   */
  readonly own: ReadonlySet<string>;
}

function knownUnits(image: ImageView, units: readonly ConfigUnit[], files: readonly ConfigFile[]): Known {
  const written = units.flatMap(({ name, file }) => (file ? [name] : []));
  const promised = files.flatMap(({ path, remote }) => {
    const fetched = remote && path.startsWith(CONFIG_FOLDER) ? basename(path) : undefined;
    return serviceName(path) ?? fetched ?? [];
  });
  return { image: imageUnits(image), own: new Set([...written, ...promised]) };
}

const isKnown = ({ image, own }: Known, name: string): boolean =>
  [name, templateOf(name) ?? name].some((each) => image.has(each) || own.has(each));

/** Units that the config enables or changes, and that neither the image nor the config has. */
function absentUnits(units: readonly ConfigUnit[], known: Known): Finding[] {
  return units.flatMap(({ name, at, dropins, enabled, file, masked }) => {
    const missing = !file && !masked && (enabled === true || dropins.length > 0);
    if (!missing || MADE_BY_SYSTEMD.test(name) || /-\.[a-z]+$/.test(name) || isKnown(known, name)) return [];
    const message = `no unit ${name}: neither the image nor this config has it; write its contents, or correct the name`;
    return [{ path: at, message }];
  });
}

/** Paths for systemd-analyze: each unit that the config writes or changes. */
function toVerify(units: readonly ConfigUnit[], made: readonly GeneratedUnit[], known: Known): string[] {
  const masked = new Set(units.flatMap(({ name, masked }) => (masked ? [name] : [])));
  const generated = new Set(made.map(({ name }) => name));
  const paths = units.flatMap(({ name, file, dropins }) => {
    if (masked.has(name) || !isUnitName(name)) return [];
    if (file) return file.text === '' ? [] : [file.path];
    if (dropins.length === 0 || generated.has(name)) return [];
    const base = known.image.has(name) ? name : (templateOf(name) ?? '');
    return known.image.has(base) ? [`${UNIT_FOLDER}/${base}`] : [];
  });
  return [...new Set([...paths, ...made.map(({ name }) => `${GENERATED}/${name}`)])].sort();
}

function placeUnits(stage: Stage, units: readonly ConfigUnit[], findings: Finding[]): Owners {
  const owners: Owners = { byPath: new Map(), byUnit: new Map(), generated: new Map() };
  for (const { name, at, file, dropins, masked } of units) {
    if (!isUnitName(name)) {
      findings.push({
        path: at,
        message: `systemd knows no unit of the name ${JSON.stringify(name.slice(0, 80))}; correct it`,
      });
      continue;
    }
    if (masked) stage.place(`${CONFIG_FOLDER}${name}`, '', at); // an empty unit file masks the unit
    const texts = [...(file ? [file] : []), ...dropins];
    for (const text of texts) {
      stage.place(text.path, text.text, text.at);
      owners.byPath.set(text.path, text);
    }
    const [first] = texts;
    if (first && !owners.byUnit.has(name)) owners.byUnit.set(name, first);
  }
  return owners;
}

/** Services of quadlets that take the place of a unit of the image, or that a unit file of the config hides. */
function shadows(
  made: readonly GeneratedUnit[],
  units: readonly ConfigUnit[],
  shipped: ReadonlySet<string>,
): Finding[] {
  const written = new Set(units.flatMap(({ name, file }) => (file ? [name] : [])));
  return made.flatMap(({ name, quadlet: { at } }) => {
    if (written.has(name))
      return [
        { path: at, message: `${name} is also a unit file of this config, which wins; rename one of them` },
      ];
    if (!shipped.has(name)) return [];
    const message = `its ${name} takes the place of the image's own unit ${name}; give it another name`;
    return [{ path: at, message }];
  });
}

/** Programs of the config are created, because systemd-analyze checks that they exist. */
export function placePrograms(
  stage: Stage,
  programs: readonly { readonly path: string; readonly at: readonly Step[] }[],
): void {
  for (const { path, at } of programs) stage.place(path, '', at, 0o755);
}

/** The findings of the image's systemd and podman for the units and quadlets of a config. */
export async function checkUnits(
  stage: Stage,
  image: ImageView,
  units: readonly ConfigUnit[],
  files: readonly ConfigFile[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const owners = placeUnits(stage, units, findings);
  const made = await checkQuadlets(stage, files, findings);
  for (const unit of made) {
    owners.generated.set(unit.name, unit);
    owners.byUnit.set(unit.name, unit.quadlet);
  }
  const { image: shipped, own: written } = knownUnits(image, units, files);
  const known: Known = { image: shipped, own: new Set([...written, ...owners.generated.keys()]) };
  findings.push(...absentUnits(units, known), ...shadows(made, units, shipped));
  const paths = toVerify(units, made, known);
  if (paths.length === 0) return findings;
  const lines = await stage.run(['/usr/bin/systemd-analyze', 'verify', '--man=no', ...paths]);
  // A unit whose contents are fetched, or that was refused with a reason, is not reported as missing.
  const news = lines.filter((line) => !known.own.has(/Unit (\S+) not found\.$/.exec(line)?.[1] ?? ''));
  const said = news.flatMap((line) => attribute(line, owners) ?? []);
  return [...findings, ...withoutEchoes(said)];
}
