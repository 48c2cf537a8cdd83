import { badInput } from '../../sdk/lib/errors.ts';
import { byteOrder } from '../../sdk/lib/files.ts';
import type { ConfigGroup } from './config/group.ts';

/** One wanted setting: the text behind `=` in a .config file, `n` for off. */
interface Setting {
  readonly value: string;
  readonly group: string;
}

const NAME = /^[A-Z0-9][A-Za-z0-9_]*$/;

/** All settings of the groups by option. An option that occurs twice is an error. */
export function settings(groups: readonly ConfigGroup[]): ReadonlyMap<string, Setting> {
  const all = new Map<string, Setting>();
  const faults: string[] = [];
  for (const { name: group, builtin, modules, off, values = {} } of groups) {
    const wanted = [
      ...words(builtin).map((option) => [option, 'y'] as const),
      ...words(modules).map((option) => [option, 'm'] as const),
      ...words(off).map((option) => [option, 'n'] as const),
      ...Object.entries(values).map(([option, value]) => [option, text(value)] as const),
    ];
    for (const [option, value] of wanted) {
      const other = all.get(option);
      if (!NAME.test(option)) faults.push(`${option}: no name of an option (group ${group})`);
      else if (other && other.value !== value)
        faults.push(`${option}: ${other.value} in the group ${other.group}, ${value} in the group ${group}`);
      else if (other) faults.push(`${option}: twice, in the groups ${other.group} and ${group}`);
      else all.set(option, { value, group });
    }
  }
  if (faults.length === 0) return all;
  throw badInput(`the kernel's configuration contradicts itself\n  ${faults.join('\n  ')}`, {
    where: 'packages/kernel/config',
    hint: 'leave each option in one group',
  });
}

/** The text for KCONFIG_ALLCONFIG (Documentation/kbuild/kconfig.rst): sorted, one setting a line. */
export function fragmentText(groups: readonly ConfigGroup[]): string {
  return [...settings(groups)]
    .sort(([a], [b]) => byteOrder(a, b))
    .map(([option, { value }]) =>
      value === 'n' ? `# CONFIG_${option} is not set\n` : `CONFIG_${option}=${value}\n`,
    )
    .join('');
}

/** The settings of a .config file by option, without CONFIG_. Options that are not set are missing. */
export function parseConfig(config: string): ReadonlyMap<string, string> {
  return new Map(
    [...config.matchAll(/^CONFIG_(\w+)=(.*)$/gm)].map(([, option = '', value = '']) => [option, value]),
  );
}

/**
 * Checks that every wanted setting is in `config`, because Kconfig silently drops settings that it cannot satisfy.
 * `declared`: for each option of this kernel, the dependencies in its Kconfig entries.
 */
export function checkSurvived(
  groups: readonly ConfigGroup[],
  config: string,
  declared: ReadonlyMap<string, readonly string[]>,
): void {
  const result = parseConfig(config);
  const faults = [...settings(groups)].flatMap(([option, { value, group }]) => {
    const got = result.get(option) ?? 'n';
    if (got === value) return [];
    const depends = declared.get(option);
    if (depends === undefined) return [`${option}=${value} (group ${group}): this kernel has no such option`];
    const reason = depends.length > 0 ? `; it ${depends.join(', ')}` : '';
    return [`${option}=${value} (group ${group}): came out as ${got}${reason}`];
  });
  if (faults.length === 0) return;
  throw badInput(
    `${faults.length} options did not survive into the kernel's configuration\n  ${faults.join('\n  ')}`,
    {
      where: 'packages/kernel/config',
      hint: 'correct the name, add the options that it depends on, or remove it',
    },
  );
}

/**
 * The output of build.sh's `declared`: `OPTION<tab>depends on …`, one line each. An option without dependencies has an
 * empty text.
 */
export function parseDeclared(list: string): ReadonlyMap<string, readonly string[]> {
  const declared = new Map<string, string[]>();
  for (const line of list.split('\n')) {
    const [option = '', depends = ''] = line.split('\t');
    if (option === '') continue;
    const known = declared.get(option) ?? [];
    declared.set(option, known);
    if (depends !== '') known.push(depends);
  }
  return declared;
}

function words(list = ''): string[] {
  return list.split(/\s+/).filter((word) => word !== '');
}

function text(value: string | number): string {
  // Kconfig writes hexadecimal numbers without quotes.
  return typeof value === 'number' || /^0x[0-9a-f]+$/.test(value) ? String(value) : JSON.stringify(value);
}
