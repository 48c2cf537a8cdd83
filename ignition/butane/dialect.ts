/** Variants and versions of Butane, with the version of Ignition's spec for which each was made. */
export interface Dialect {
  readonly variant: 'fcos' | 'flatcar';
  readonly version: string;
  /** Minor version of spec 3 with the same keys. */
  readonly spec: number;
}

/** Oldest first (butane's docs/specs.md). */
const DIALECTS: readonly Dialect[] = [
  { variant: 'fcos', version: '1.0.0', spec: 0 },
  { variant: 'fcos', version: '1.1.0', spec: 1 },
  { variant: 'fcos', version: '1.2.0', spec: 2 },
  { variant: 'fcos', version: '1.3.0', spec: 2 },
  { variant: 'fcos', version: '1.4.0', spec: 3 },
  { variant: 'fcos', version: '1.5.0', spec: 4 },
  { variant: 'fcos', version: '1.6.0', spec: 5 },
  { variant: 'fcos', version: '1.7.0', spec: 6 },
  { variant: 'flatcar', version: '1.0.0', spec: 3 },
  { variant: 'flatcar', version: '1.1.0', spec: 4 },
  { variant: 'flatcar', version: '1.2.0-experimental', spec: 7 },
];

/** The dialect of a variant and version of Butane; undefined for an unknown one. */
export function dialectOf(variant: string, version: string): Dialect | undefined {
  return DIALECTS.find((each) => each.variant === variant && each.version === version);
}

/** Known versions of a variant, oldest first; none for an unknown variant. */
export function versionsOf(variant: string): readonly string[] {
  return DIALECTS.filter((each) => each.variant === variant).map(({ version }) => version);
}

/** The first version of a variant that has the keys of spec 3.`spec`. */
export function versionWith(variant: string, spec: number): string | undefined {
  return DIALECTS.find((each) => each.variant === variant && each.spec >= spec)?.version;
}
