import { compact } from '../json/value.ts';
import type { Fragment } from './fragment.ts';
import { type Section, section, unitText } from './ini.ts';

/** A unit of systemd, in the form of Ignition. */
export interface UnitOptions {
  /** The unit file: its text, or its sections. */
  readonly contents?: string | { readonly [section: string]: Section['settings'] };
  /** Drop-ins by name, without `.conf`. */
  readonly dropins?: { readonly [name: string]: string };
  readonly enabled?: boolean;
  readonly mask?: boolean;
}

/** A systemd unit (spec 3.3, systemd.units): enabled, masked, given contents or drop-ins. */
export function unit(name: string, { contents, dropins = {}, enabled, mask }: UnitOptions): Fragment {
  const text =
    typeof contents === 'object'
      ? unitText(Object.entries(contents).map(([title, settings]) => section(title, settings)))
      : contents;
  const parts = Object.entries(dropins).map(([part, body]) => ({ name: `${part}.conf`, contents: body }));
  return { systemd: { units: [compact({ name, enabled, mask, contents: text, dropins: parts })] } };
}
