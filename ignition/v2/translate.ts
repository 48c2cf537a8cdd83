import type { SourceMap } from '../base/node.ts';
import type { Step } from '../base/step.ts';
import { type Notes, readStruct } from '../check/read.ts';
import { compact, type Json, type JsonObject } from '../json/value.ts';
import { VERSION } from '../spec/v3.ts';
import { networkdFiles, translateGroups, translateUnits, translateUsers } from './accounts.ts';
import { type V2Config, v2Shape, v2Style } from './model.ts';
import { translateNodes, translateResource } from './nodes.ts';
import { newReport, problem, type Report } from './report.ts';
import { translateDisks, translateFilesystems, translateRaid } from './storage.ts';

function ignitionSection(ignition: NonNullable<V2Config['ignition']>, report: Report): JsonObject {
  const { config, timeouts, security, proxy } = ignition;
  const authorities = security?.tls?.certificateAuthorities ?? [];
  const merge = (config?.append ?? []).map((resource, index) =>
    report.made(translateResource(resource), 'ignition', 'config', 'append', index),
  );
  return {
    version: VERSION,
    ...compact({
      config: compact({
        merge,
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
  const nodes = translateNodes(storage, networkdFiles(config.networkd?.units), paths, report);
  const disks = translateDisks(storage.disks, report);
  const raid = translateRaid(storage.raid, report);
  report.path.pop();
  return compact({ disks, raid, filesystems: list, ...nodes });
}

function translateSections(config: V2Config, given: ReadonlyMap<string, string>, report: Report): JsonObject {
  noteReferences(config, report);
  report.path.push('passwd');
  const users: Json[] = translateUsers(config.passwd?.users, report);
  report.path.pop();
  report.path.push('systemd');
  const units = translateUnits(config.systemd?.units, report);
  report.path.pop();
  return {
    ignition: ignitionSection(config.ignition ?? { version: '' }, report),
    ...compact({
      passwd: compact({ users, groups: translateGroups(config.passwd?.groups) }),
      storage: storageSection(config, given, report),
      systemd: compact({ units }),
    }),
  };
}

/** The result of translating a spec 2 config. */
export interface V2Result {
  readonly config: JsonObject;
  /** The path in the spec 2 config for a path of the result. */
  readonly source: (path: readonly Step[]) => readonly Step[];
}

/**
 * Translates spec 2.`minor` to 3.3. Undefined if a value has no equivalent; it is reported.
 * @param given mount points of named file systems in the running system
 * @param add receives findings, each at a path of the spec 2 config
 */
export function translateV2(
  root: SourceMap,
  minor: number,
  given: ReadonlyMap<string, string>,
  notes: Notes,
  add: Parameters<typeof newReport>[0],
): V2Result | undefined {
  let readable = true;
  const error: Notes['error'] = (...found) => {
    readable = false;
    notes.error(...found);
  };
  const value = readStruct(v2Shape, root, v2Style(minor), { ...notes, error });
  if (!readable) return undefined;
  const report = newReport(add);
  const config = translateSections(value as unknown as V2Config, given, report);
  return report.failed ? undefined : { config, source: (path) => report.source(config, path) };
}
