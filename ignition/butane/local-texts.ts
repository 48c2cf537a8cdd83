import type { Step } from '../base/step.ts';
import { isObject, type Json, type JsonObject } from '../json/value.ts';
import { type Context, embedText, listOf } from './desugar.ts';

/** Keys of Butane that read units and SSH keys from local files (fcos 1.5, flatcar 1.1). */

function embedUnits(units: JsonObject[], path: readonly Step[], context: Context): JsonObject[] {
  return units.map((unit, index) => {
    const { contentsLocal, ...rest } = unit;
    const at = [...path, index];
    const dropins =
      rest.dropins === undefined
        ? {}
        : { dropins: embedUnits(listOf(rest.dropins), [...at, 'dropins'], context) };
    if (contentsLocal === undefined) return { ...rest, ...dropins };
    const local = [...at, 'contentsLocal'];
    if (rest.contents !== undefined)
      context.error(local, 'only one of contents, contents_local can be set; remove the other');
    context.alias([...at, 'contents'], local);
    return { ...rest, contents: embedText(String(contentsLocal), local, context), ...dropins };
  });
}

/**
 * Every line of a key file that is not empty is a key, comments included, as in Butane: sshd skips comments.
 */
function embedKeys(
  { sshAuthorizedKeysLocal, ...user }: JsonObject,
  index: number,
  context: Context,
): JsonObject {
  if (!Array.isArray(sshAuthorizedKeysLocal)) return user;
  const at = ['passwd', 'users', index];
  const keys: Json[] = Array.isArray(user.sshAuthorizedKeys) ? [...user.sshAuthorizedKeys] : [];
  for (const [item, name] of sshAuthorizedKeysLocal.entries()) {
    const local = [...at, 'sshAuthorizedKeysLocal', item];
    const lines = embedText(String(name), local, context).split(/\r?\n/);
    for (const line of lines.filter((each) => each !== '')) {
      context.alias([...at, 'sshAuthorizedKeys', keys.length], local);
      keys.push(line);
    }
  }
  return { ...user, sshAuthorizedKeys: keys };
}

/** Puts the contents of local files in place of the keys that name them (units and SSH keys). */
export function embedLocalTexts(config: JsonObject, context: Context): JsonObject {
  const { systemd, passwd } = config;
  const { units, quadlets } = isObject(systemd) ? systemd : {};
  const users = isObject(passwd) ? passwd.users : undefined;
  return {
    ...config,
    ...(isObject(passwd) && users !== undefined
      ? {
          passwd: {
            ...passwd,
            users: listOf(users).map((user, index) => embedKeys(user, index, context)),
          },
        }
      : {}),
    ...(isObject(systemd)
      ? {
          systemd: {
            ...systemd,
            ...(units === undefined
              ? {}
              : { units: embedUnits(listOf(units), ['systemd', 'units'], context) }),
            ...(quadlets === undefined
              ? {}
              : { quadlets: embedUnits(listOf(quadlets), ['systemd', 'quadlets'], context) }),
          },
        }
      : {}),
  };
}
