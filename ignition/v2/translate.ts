import { dataUrl } from '../data-url.ts';
import { decode } from '../json/decode.ts';
import { checkSyntax } from '../json/syntax.ts';
import { compact, type Json, type JsonObject } from '../json/value.ts';
import { type Entry, newReport, problem, type Report } from '../report.ts';
import { inner, type Struct, string, struct } from '../spec/shape.ts';
import { toVerdict, validate } from '../validate.ts';
import { canonicalVersion } from '../version.ts';
import { checkUnknownKeys } from '../walk.ts';
import { networkdFiles, translateGroups, translateUnits, translateUsers } from './accounts.ts';
import type { V2Config, V2File } from './model.ts';
import { translateNodes, translateResource } from './nodes.ts';
import { V2_VERSIONS, v2Shape } from './shape.ts';
import { translateDisks, translateFilesystems, translateRaid } from './storage.ts';

export interface Translation {
  /** The config in spec 3.3; absent when an entry is an error. */
  readonly config?: JsonObject;
  /** Findings, with their places in the spec 2 text. */
  readonly entries: readonly Entry[];
}

export interface TranslateOptions {
  /** Mount paths in the running system of named filesystems. */
  readonly filesystems?: ReadonlyMap<string, string>;
}

const versionShape = struct([inner('ignition', struct([string('version')]))]);

function readMinor(bytes: Buffer): number | string {
  const { value, mismatches } = decode(bytes, versionShape);
  if (mismatches[0]) return mismatches[0].message;
  const version = (value.ignition as { version?: string } | undefined)?.version ?? '';
  const canonical = canonicalVersion(version);
  const minor = (V2_VERSIONS as readonly string[]).indexOf(canonical ?? '');
  if (minor >= 0) return minor;
  if (version === '')
    return 'no ignition.version: spec 1 and cloud-config have no equivalent, rewrite it in spec 3';
  return `version ${version} is not one of ${V2_VERSIONS.join(', ')}`;
}

function ignitionSection({
  config,
  timeouts,
  security,
  proxy,
}: NonNullable<V2Config['ignition']>): JsonObject {
  const authorities = security?.tls?.certificateAuthorities ?? [];
  return {
    version: '3.3.0',
    ...compact({
      config: compact({
        merge: (config?.append ?? []).map(translateResource),
        replace: config?.replace ? translateResource(config.replace) : undefined,
      }),
      timeouts: compact({ ...timeouts }),
      security: compact({ tls: compact({ certificateAuthorities: authorities.map(translateResource) }) }),
      proxy: compact({
        httpProxy: proxy?.httpProxy || undefined,
        httpsProxy: proxy?.httpsProxy || undefined,
        noProxy: [...(proxy?.noProxy ?? [])],
      }),
    }),
  };
}

function noteReferences(config: V2Config, report: Report): void {
  const what = 'the config this points to must be of spec 3, too';
  for (const [index] of (config.ignition?.config?.append ?? []).entries()) {
    report.warning(problem(what, 'translate it as well'), 'ignition', 'config', 'append', index);
  }
  if (config.ignition?.config?.replace)
    report.warning(problem(what, 'translate it as well'), 'ignition', 'config', 'replace');
}

function storageSection(config: V2Config, given: ReadonlyMap<string, string>, report: Report): JsonObject {
  const storage = config.storage ?? {};
  report.path.push('storage');
  const { list, paths } = translateFilesystems(config, given, report);
  const network: V2File[] = networkdFiles(config.networkd?.units).map(({ path, contents }) => ({
    filesystem: 'root',
    path,
    mode: 0o644,
    contents: { source: dataUrl(contents) },
  }));
  const nodes = translateNodes({ ...storage, files: [...(storage.files ?? []), ...network] }, paths, report);
  const disks = translateDisks(storage.disks, report);
  report.path.pop();
  return compact({ disks, raid: translateRaid(storage.raid), filesystems: list, ...nodes });
}

function translateSections(config: V2Config, given: ReadonlyMap<string, string>, report: Report): JsonObject {
  noteReferences(config, report);
  report.path.push('passwd');
  const users: Json[] = translateUsers(config.passwd?.users, report);
  report.path.pop();
  return {
    ignition: ignitionSection(config.ignition ?? { version: '' }),
    ...compact({
      passwd: compact({ users, groups: translateGroups(config.passwd?.groups) }),
      storage: storageSection(config, given, report),
      systemd: compact({ units: translateUnits(config.systemd?.units) }),
    }),
  };
}

/**
 * Translates spec 2.0 – 2.4 to 3.3. What has no equivalent is an error that says why; the result is one that
 * Ignition accepts.
 */
export function translateV2(bytes: Buffer, { filesystems = new Map() }: TranslateOptions = {}): Translation {
  const { fault } = checkSyntax(bytes);
  if (fault) return { entries: validate(bytes).entries };
  const report = newReport();
  const minor = readMinor(bytes);
  if (typeof minor === 'string') {
    report.error(problem(minor), 'ignition', 'version');
    return { entries: toVerdict(report, bytes, decode(bytes, versionShape).position).entries };
  }
  const shape = v2Shape(minor);
  const { value, position, mismatches } = decode(bytes, shape);
  for (const { path, at, message } of mismatches) report.add({ kind: 'error', path, at, message });
  if (report.failed) return { entries: toVerdict(report, bytes, position).entries };
  checkUnknownKeys(shape, value as Struct, position, report);
  const config = translateSections(value as unknown as V2Config, filesystems, report);
  const { entries } = toVerdict(report, bytes, position);
  if (report.failed) return { entries };
  return withVerdict(config, entries);
}

/** Adds what Ignition says of the result. Its places are those of the new config, so they carry no line. */
function withVerdict(config: JsonObject, entries: readonly Entry[]): Translation {
  const verdict = validate(Buffer.from(JSON.stringify(config)));
  const all = [...entries, ...verdict.entries.map((entry) => ({ ...entry, line: 0, column: 0 }))];
  return verdict.valid ? { config, entries: all } : { entries: all };
}
