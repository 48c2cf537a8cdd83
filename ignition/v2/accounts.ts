import { dataUrl } from '../base/data-url.ts';
import type { Step } from '../base/step.ts';
import { compact, type Json, type JsonObject } from '../json/value.ts';
import type { V2Config, V2Dropin, V2Unit, V2User } from './model.ts';
import type { PlacedFile } from './nodes.ts';
import { eachAt, problem, type Report } from './report.ts';

function union(...lists: (readonly string[] | undefined)[]): string[] {
  return [...new Set(lists.flatMap((list) => list ?? []))];
}

/** Empty strings and `false` count as absent in spec 2. */
function said(members: { readonly [key: string]: Json | undefined }): JsonObject {
  return compact(
    Object.fromEntries(Object.entries(members).filter(([, value]) => value !== '' && value !== false)),
  );
}

function translateUser(user: V2User, report: Report): JsonObject {
  const { create, name, passwordHash, sshAuthorizedKeys, groups, ...account } = user;
  const { groups: createGroups, ...created } = create ?? {};
  for (const [field, value] of Object.entries(created)) {
    const own = (account as Record<string, unknown>)[field];
    if (own !== undefined && own !== value) {
      report.error(
        problem(`user ${name} has two values of ${field}`, 'remove create, which later versions replaced'),
        'create',
      );
    }
  }
  return {
    name,
    ...said({ ...created, ...account }),
    ...compact({
      passwordHash,
      groups: union(createGroups, groups),
      sshAuthorizedKeys: union(sshAuthorizedKeys),
    }),
  };
}

/** Users with the same name are one user: later values win, lists are joined. */
export function translateUsers(users: NonNullable<V2Config['passwd']>['users'], report: Report): Json[] {
  const byName = new Map<string, JsonObject>();
  eachAt(report, 'users', users, (user) => {
    const translated = translateUser(user, report);
    const before = byName.get(user.name);
    const lists = compact({
      groups: union(before?.groups as string[] | undefined, translated.groups as string[] | undefined),
      sshAuthorizedKeys: union(
        before?.sshAuthorizedKeys as string[] | undefined,
        translated.sshAuthorizedKeys as string[] | undefined,
      ),
    });
    byName.set(user.name, report.made({ ...before, ...translated, ...lists }));
  });
  return [...byName.values()];
}

/** The groups of a config of spec 2, in spec 3. */
export function translateGroups(groups: NonNullable<V2Config['passwd']>['groups'] = []): Json[] {
  const byName = new Map<string, JsonObject>();
  for (const { name, ...rest } of groups)
    byName.set(name, { ...byName.get(name), name, ...said({ ...rest }) });
  return [...byName.values()];
}

function joinDropins(...lists: (readonly V2Dropin[] | undefined)[]): Json[] {
  const byName = new Map<string, JsonObject>();
  for (const { name, contents } of lists.flatMap((list) => list ?? [])) {
    byName.set(name, { name, ...compact({ contents: contents || undefined }) });
  }
  return [...byName.values()];
}

/** Units with the same name are one unit: later values win, drop-ins are joined. */
export function translateUnits(units: readonly V2Unit[] | undefined, report: Report): Json[] {
  const byName = new Map<string, V2Unit>();
  const made = new Map<string, JsonObject>();
  eachAt(report, 'units', units, (unit) => {
    const before = byName.get(unit.name);
    const dropins = [...(before?.dropins ?? []), ...(unit.dropins ?? [])];
    const contents = unit.contents || before?.contents;
    const joined = { ...before, ...unit, dropins, ...(contents === undefined ? {} : { contents }) };
    byName.set(unit.name, joined);
    made.set(unit.name, report.made(translateUnit(joined)));
  });
  return [...made.values()];
}

function translateUnit({ name, enable, enabled, mask, contents, dropins }: V2Unit): JsonObject {
  return {
    name,
    ...compact({
      enabled: enabled ?? (enable || undefined),
      mask: mask || undefined,
      contents: contents || undefined,
      dropins: joinDropins(dropins),
    }),
  };
}

const NETWORKD = '/etc/systemd/network';

/** networkd units become files in spec 3. */
export function networkdFiles(units: readonly V2Unit[] = []): PlacedFile[] {
  const made = (path: string, contents: string, ...at: Step[]): PlacedFile => ({
    file: {
      filesystem: 'root',
      path: `${NETWORKD}/${path}`,
      mode: 0o644,
      contents: { source: dataUrl(contents) },
    },
    at: ['networkd', 'units', ...at],
  });
  return units.flatMap(({ name, contents, dropins = [] }, index) => [
    ...(contents ? [made(name, contents, index)] : []),
    ...dropins.map((dropin, number) =>
      made(`${name}.d/${dropin.name}`, dropin.contents ?? '', index, 'dropins', number),
    ),
  ]);
}
