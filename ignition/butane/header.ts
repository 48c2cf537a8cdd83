import type { SourceMap } from '../base/node.ts';
import { type Dialect, dialectOf, versionsOf } from './dialect.ts';

/** The variant and the version of a config, or the reason why it cannot be read. */
export type Header = { readonly dialect: Dialect } | { readonly at: number; readonly message: string };

interface Said {
  readonly text: string;
  /** Offset of the fault; of a missing key, the beginning of the map. */
  readonly at: number;
}

function said(map: SourceMap, name: string): Said {
  const value = map.members.find(({ key }) => key === name)?.value;
  return { text: value?.kind === 'scalar' ? value.text : '', at: value?.at ?? map.at };
}

/** Sections that only Container Linux Configs have. */
const OLD_SECTIONS = ['networkd', 'etcd', 'flannel', 'locksmith', 'docker', 'update'];
/** Keys in sections that only Container Linux Configs have. */
const OLD_KEYS = /^\s*(- )?(filesystem|enable|remote|create): /m;

/** Sections that only cloud-config has. */
const CLOUD_SECTIONS = [
  'coreos',
  'write_files',
  'ssh_authorized_keys',
  'users',
  'runcmd',
  'packages',
  'hostname',
];

/** The probable kind of a config without a variant. */
function withoutVariant(map: SourceMap, text: string): string {
  const keys = new Set(map.members.map(({ key }) => key));
  if (text.trimStart().startsWith('{'))
    return 'this is JSON, not Butane; name the file NAME.ign, then: draisine ignition validate NAME.ign';
  if (/^#cloud-config\b/m.test(text) || CLOUD_SECTIONS.some((key) => keys.has(key)))
    return 'this is cloud-config, which is not read; write it as Butane, which begins with variant: fcos and version: 1.4.0';
  const old = OLD_SECTIONS.some((key) => keys.has(key)) || OLD_KEYS.test(text);
  const head = 'write variant: fcos and version: 1.4.0 at the top';
  return old
    ? `variant must be specified; this looks like a Container Linux Config: ${head}, and change what is then an unused key`
    : `variant must be specified; ${head}`;
}

/** Reads `variant` and `version`. Returns the dialect, or the fault and its place. */
export function readHeader(map: SourceMap, text: string): Header {
  const variant = said(map, 'variant');
  const version = said(map, 'version');
  if (variant.text === '') return { at: variant.at, message: withoutVariant(map, text) };
  const dialect = dialectOf(variant.text, version.text);
  if (dialect) return { dialect };
  const versions = versionsOf(variant.text);
  if (versions.length > 0 && version.text === '')
    return {
      at: version.at,
      message: 'version must be specified; write version: 1.4.0 for fcos, 1.0.0 for flatcar',
    };
  const unknown = `unknown variant "${variant.text}" version "${version.text}"`;
  const meant = meantHeader(variant.text, version.text);
  if (versions.length > 0) return { at: version.at, message: `${unknown}; write version: ${meant.version}` };
  return {
    at: variant.at,
    message: `${unknown}; write variant: ${meant.variant} and version: ${meant.version}`,
  };
}

/** The known variant and version that are most similar to an unknown pair. */
function meantHeader(
  variant: string,
  version: string,
): { readonly variant: string; readonly version: string } {
  const name = variant.trim().toLowerCase() === 'flatcar' ? 'flatcar' : 'fcos';
  const versions = versionsOf(name);
  const newest = versions.at(-1) ?? '';
  // `1.4`, `v1.4.0`, `1.5.0-experimental`. Version numbers of other variants and of Ignition have other meanings.
  const [, numbers] = /^\s*v?(\d+\.\d+)(?:\.\d+)?(?:-\w+)?\s*$/.exec(version) ?? [];
  const near =
    versions.find((each) => each === `${numbers}.0`) ??
    versions.find((each) => each.startsWith(`${numbers}.`));
  if (near !== undefined) return { variant: name, version: near };
  const isNewer = name === 'fcos' && /^\s*v?1\./.test(version);
  return { variant: name, version: isNewer ? newest : name === 'fcos' ? '1.4.0' : '1.0.0' };
}
