import { didYouMean } from '../../sdk/lib/near.ts';

/** Keys of spec 2 and of Butane that JSON of spec 3 does not have, each with a hint. */
const FOREIGN: Readonly<Record<string, string>> = {
  inline: 'a key of Butane: write "source": "data:,CONTENT"',
  local: 'a key of Butane: write "source": "data:,CONTENT"',
  with_mount_unit: 'a key of Butane: add a unit of systemd that mounts it',
  contents_local: 'a key of Butane: write contents',
  filesystem: 'a key of spec 2: remove it, and write the path in the running system',
  enable: 'a key of spec 2: write enabled',
  networkd: 'a section of spec 2: write its units as files below /etc/systemd/network',
  create: 'a key of spec 2: write its members one level higher',
};

/** A hint for a key that Ignition does not know. @param known the keys that may be there */
export function unusedHint(key: string, known: readonly string[]): string {
  if (known.some((name) => name.toLowerCase() === key.toLowerCase())) return 'letter case differs';
  const bare = (name: string): string => name.replaceAll('_', '').toLowerCase();
  const same = known.find((name) => bare(name) === bare(key));
  if (same !== undefined) return `JSON writes it ${same}`;
  const foreign = Object.hasOwn(FOREIGN, key) ? FOREIGN[key] : undefined;
  return foreign ?? didYouMean(key, known, 'Ignition ignores it: remove it, or correct the name');
}
