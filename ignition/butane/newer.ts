import { isObject, type Json, type JsonObject } from '../json/value.ts';
import { type Context, embedText } from './desugar.ts';

/**
 * Keys of Butane versions whose output is newer than spec 3.3, which is what the shipped Ignition takes: translated
 * where 3.3 can say the same, refused where it cannot.
 */

const listOf = (value: Json | undefined): JsonObject[] =>
  Array.isArray(value) ? value.filter(isObject) : [];

function translateUnits(
  units: JsonObject[],
  path: readonly (string | number)[],
  context: Context,
): JsonObject[] {
  return units.map((unit, index) => {
    const { contentsLocal, ...rest } = unit;
    const at = [...path, index];
    const dropins =
      rest.dropins === undefined
        ? {}
        : { dropins: translateUnits(listOf(rest.dropins), [...at, 'dropins'], context) };
    if (contentsLocal === undefined) return { ...rest, ...dropins };
    if (rest.contents !== undefined)
      context.error([...at, 'contentsLocal'], 'only one of contents, contents_local can be set');
    const contents = embedText(String(contentsLocal), [...at, 'contentsLocal'], context);
    return { ...rest, contents, ...dropins };
  });
}

function translateUsers(users: JsonObject[], context: Context): JsonObject[] {
  return users.map(({ sshAuthorizedKeysLocal, ...user }, index) => {
    if (!Array.isArray(sshAuthorizedKeysLocal)) return user;
    const at = ['passwd', 'users', index, 'sshAuthorizedKeysLocal'];
    const keys = sshAuthorizedKeysLocal.flatMap((name, item) =>
      embedText(String(name), [...at, item], context)
        .split('\n')
        .filter((line) => line.trim() !== '' && !line.startsWith('#')),
    );
    const own = Array.isArray(user.sshAuthorizedKeys) ? user.sshAuthorizedKeys : [];
    return { ...user, sshAuthorizedKeys: [...own, ...keys] };
  });
}

/** Refuses what spec 3.3 has no word for. */
function refuse(config: JsonObject, context: Context): void {
  const storage = isObject(config.storage) ? config.storage : {};
  for (const [index, luks] of listOf(storage.luks).entries()) {
    const at = ['storage', 'luks', index];
    if (luks.discard === true)
      context.error([...at, 'discard'], 'discard needs spec 3.4; the shipped Ignition takes 3.3');
    if (luks.openOptions !== undefined) {
      context.error([...at, 'openOptions'], 'open_options needs spec 3.4; the shipped Ignition takes 3.3');
    }
    for (const [tang, server] of listOf(isObject(luks.clevis) ? luks.clevis.tang : undefined).entries()) {
      if (server.advertisement === undefined) continue;
      context.error([...at, 'clevis', 'tang', tang, 'advertisement'], 'offline provisioning needs spec 3.4');
    }
  }
  for (const kind of ['files', 'directories']) {
    for (const [index, { mode }] of listOf(storage[kind]).entries()) {
      if (typeof mode === 'number' && mode > 0o777) {
        context.error(
          ['storage', kind, index, 'mode'],
          'setuid, setgid and sticky need spec 3.4; set them by a tmpfiles.d file',
        );
      }
    }
  }
}

function withoutRefused(luks: JsonObject): JsonObject {
  const { discard: _, openOptions: __, ...rest } = luks;
  return rest;
}

/** A config of spec 3.4's Butane in the words of spec 3.3. */
export function translateDown(config: JsonObject, context: Context): JsonObject {
  refuse(config, context);
  const { systemd, passwd, storage, ...rest } = config;
  return {
    ...rest,
    ...(isObject(storage)
      ? {
          storage: {
            ...storage,
            ...(storage.luks ? { luks: listOf(storage.luks).map(withoutRefused) } : {}),
          },
        }
      : {}),
    ...(isObject(passwd)
      ? { passwd: { ...passwd, users: translateUsers(listOf(passwd.users), context) } }
      : {}),
    ...(isObject(systemd)
      ? {
          systemd: {
            ...systemd,
            units: translateUnits(listOf(systemd.units), ['systemd', 'units'], context),
          },
        }
      : {}),
  };
}
