/** What of this host decides about a verdict, besides what a test asks QEMU for. */
export interface Host {
  readonly node: string;
  readonly platform: string;
  /** Root may do what others may not, and tests look at both. */
  readonly root: boolean;
  readonly environment: Readonly<Record<string, string>>;
}

/** Variables that say where something is, or are the harness's own: they differ between checkouts. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'DRAISINE_CACHE',
  'DRAISINE_IGNITION_SOURCE',
  'DRAISINE_IGNITION_TOOLS',
  'DRAISINE_KOLA',
  'DRAISINE_STATIC_OPTIONS',
]);

const WITH_EFFECT: ReadonlySet<string> = new Set([
  ...['LANG', 'LC_ALL', 'TZ', 'NODE_OPTIONS', 'NO_COLOR', 'FORCE_COLOR', 'SOURCE_DATE_EPOCH'],
]);

export function hostFacts(env: NodeJS.ProcessEnv = process.env): Host {
  const counts = (name: string): boolean =>
    WITH_EFFECT.has(name) || (name.startsWith('DRAISINE_') && !WITHOUT_EFFECT.has(name));
  return {
    node: process.versions.node.split('.')[0] ?? '',
    platform: `${process.platform} ${process.arch}`,
    root: process.getuid?.() === 0,
    environment: Object.fromEntries(
      Object.entries(env).filter((entry): entry is [string, string] => counts(entry[0])),
    ),
  };
}
