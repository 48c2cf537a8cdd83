import { oneLine } from './fragment.ts';

/** The value of a setting. Undefined leaves the setting out; a list repeats it. */
export type Setting = undefined | string | number | boolean | readonly (string | number)[];

/** A section of a unit file or of another file of that format. */
export interface Section {
  readonly name: string;
  readonly settings: { readonly [setting: string]: Setting };
}

function lines(setting: string, value: Setting): string[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap((item: string | number) => lines(setting, item));
  const text = typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
  return [`${setting}=${oneLine(text, setting)}`];
}

/** A section of a unit file, a quadlet or a networkd file. A line break in a value is an error. */
export function section(name: string, settings: Section['settings']): Section {
  return { name, settings };
}

/** The text of a unit file; sections without settings are left out. */
export function unitText(sections: readonly Section[]): string {
  return sections
    .map(({ name, settings }) => ({
      name,
      body: Object.entries(settings).flatMap(([key, value]) => lines(key, value)),
    }))
    .filter(({ body }) => body.length > 0)
    .map(({ name, body }) => `[${name}]\n${body.join('\n')}\n`)
    .join('\n');
}

/** A word of a systemd command line or assignment list (systemd.service(5), "Command lines"). */
export function systemdQuote(text: string): string {
  return `"${oneLine(text, 'value').replace(/[\\"]/g, '\\$&').replaceAll('%', '%%')}"`;
}

/**
 * A text that quadlet copies into the ExecStart= line of podman. Quadlet quotes the text itself, but does not escape %
 * and $. In that line, % begins a specifier and $ a variable (systemd.service(5), "Command lines").
 */
export const copied = (text: string): string => text.replaceAll('%', '%%').replaceAll('$', '$$$$');
