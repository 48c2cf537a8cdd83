import { meantMode, octalText } from '../base/mode.ts';
import type { Step } from '../base/step.ts';
import { isObject, type Json, type JsonObject } from '../json/value.ts';

/**
 * Keys of Ignition that are newer than spec 3.3, the newest spec that the shipped Ignition accepts. A key
 * whose value means the behaviour of 3.3 is left out. Any other value is refused.
 */

/** Reports a problem at a path of the config. */
type Refuse = (path: readonly Step[], message: string) => void;

const listOf = (value: Json | undefined): JsonObject[] =>
  Array.isArray(value) ? value.filter(isObject) : [];

const isEnabled = (value: Json | undefined): boolean => isObject(value) && value.enabled === true;

/** How the text of a config spells a key of the spec, and a mode. */
export interface Spelling {
  readonly key: (name: string) => string;
  readonly mode: (mode: number) => string;
}

const SPECIAL = 'setuid, setgid and sticky need spec 3.4';

/** Why 3.3 cannot set a mode with special bits. Most such modes are octal digits that were read as a decimal number. */
function modeFault(mode: number, write: Spelling['mode']): string {
  const meant = meantMode(String(mode));
  const bits = (meant ?? mode) & 0o777;
  const is = meant === undefined ? '' : `mode ${mode} is ${octalText(mode)}, and `;
  if (meant !== undefined && meant <= 0o777)
    return `${is}${SPECIAL}; for ${octalText(meant)} write ${write(meant)}`;
  if (mode > 0o7777 && meant === undefined)
    return `a mode has twelve bits at most; write ${write(0o644)} for 0644, ${write(0o755)} for 0755`;
  return `${is}${SPECIAL}; write ${write(bits)}, and set the other bits by a tmpfiles.d file`;
}

/** Rewrites a config of a newer spec in spec 3.3. Calls `refuse` for each value that 3.3 cannot express. */
export function translateDown(
  config: JsonObject,
  refuse: Refuse,
  spelling: Spelling = { key: (name) => name, mode: String },
): JsonObject {
  const storage = isObject(config.storage) ? config.storage : {};
  for (const kind of ['files', 'directories']) {
    for (const [index, { mode }] of listOf(storage[kind]).entries()) {
      if (typeof mode !== 'number' || mode <= 0o777) continue;
      refuse(['storage', kind, index, 'mode'], modeFault(mode, spelling.mode));
    }
  }
  refuseSources(config, [], refuse);
  const { luks } = storage;
  if (luks === undefined) return config;
  const volumes = listOf(luks).map((volume, index) =>
    withoutNewer(volume, ['storage', 'luks', index], refuse, spelling.key),
  );
  return { ...config, storage: { ...storage, luks: volumes } };
}

function withoutNewer(
  volume: JsonObject,
  at: readonly Step[],
  refuse: Refuse,
  spell: (name: string) => string,
) {
  const { discard, openOptions, cex, ...rest } = volume;
  const says = {
    discard: discard === true,
    openOptions: Array.isArray(openOptions) && openOptions.length > 0,
    cex: isEnabled(cex),
  };
  for (const [key, said] of Object.entries(says)) {
    const spec = key === 'cex' ? '3.5' : '3.4';
    if (said)
      refuse([...at, key], `${spell(key)} needs spec ${spec}; the shipped Ignition takes 3.3: remove it`);
  }
  const { clevis } = rest;
  if (!isObject(clevis) || clevis.tang === undefined) return rest;
  const tang = listOf(clevis.tang).map(({ advertisement, ...server }, index) => {
    if (advertisement !== undefined && advertisement !== '')
      refuse(
        [...at, 'clevis', 'tang', index, 'advertisement'],
        'advertisement (offline provisioning) needs spec 3.4; remove it; then the server must answer when the box is set up',
      );
    return server;
  });
  return { ...rest, clevis: { ...clevis, tang } };
}

/** Access points of S3 (`arn:`) need spec 3.4. */
function refuseSources(value: Json, path: readonly Step[], refuse: Refuse): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) refuseSources(item, [...path, index], refuse);
  } else if (isObject(value)) {
    const { source } = value;
    if (typeof source === 'string' && /^arn:/i.test(source))
      refuse([...path, 'source'], 'sources that begin with arn: need spec 3.4; write s3://BUCKET/KEY');
    for (const [key, member] of Object.entries(value)) refuseSources(member, [...path, key], refuse);
  }
}
