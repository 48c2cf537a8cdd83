/** The properties of this host that a verdict depends on, besides the accelerator of QEMU. */
export interface Host {
  readonly node: string;
  readonly platform: string;
  /** Root has other rights than a user, and some tests depend on them. */
  readonly root: boolean;
  readonly environment: Readonly<Record<string, string>>;
}

/** Variables that name folders or belong to the harness. They differ between checkouts, and no verdict depends on them. */
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

/** The facts of this host that a verdict depends on. */
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
