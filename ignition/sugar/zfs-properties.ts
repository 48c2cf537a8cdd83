import { shellQuote } from '../../sdk/lib/shell.ts';
import { checkKind } from './kinds.ts';

/** Properties that can only be set when the dataset is made. */
const FIXED = [
  'encryption',
  'keyformat',
  'keylocation',
  'pbkdf2iters',
  'casesensitivity',
  'normalization',
  'utf8only',
  'volblocksize',
];

/** Refuses values that are not text: `true` would not be a value that ZFS knows. */
export function checkProperties(properties: object, where: string): void {
  for (const [property, value] of Object.entries(properties))
    checkKind(value, 'text', `${where}.properties.${property}`);
}

/** A value in the form of `zfs get -p`: numbers with a unit as bytes (zfsprops(7)). */
function exact(value: string): string {
  const [, number, unit = ''] = /^([0-9.]+)([KMGTPE])B?$/i.exec(value) ?? [];
  if (number === undefined) return value;
  return String(Math.trunc(Number(number) * 1024 ** ('KMGTPE'.indexOf(unit.toUpperCase()) + 1)));
}

/**
 * Shell lines for `$dataset` that set the properties that have another value, or a value of the parent. ZFS refuses to
 * set even the present quota if the dataset is full, because its use may exceed the quota a little, and sets nothing in
 * a full pool. The last line is the command that sets them.
 */
export function settingLines(declared: readonly (readonly [string, string])[]): string[] {
  const properties = declared.filter(([property]) => !FIXED.includes(property));
  if (properties.length === 0) return [];
  const names = properties.map(([property]) => property).join(',');
  return [
    `now=$(zfs get -Hp -o property,value,source ${shellQuote(names)} "$dataset")`,
    `has() { printf '%s\\n' "$now" | grep -qxF "$1\tlocal"; }`,
    'set --',
    ...properties.map(([property, value]) => {
      const line = shellQuote(`${property}\t${exact(value)}`);
      return `has ${line} || set -- "$@" ${shellQuote(`${property}=${value}`)}`;
    }),
    '[ $# -eq 0 ] || zfs set "$@" "$dataset"',
  ];
}
