/** What a provisioning with a config does to data that is there already. */
export interface Effects {
  /**
   * Disks, arrays and volumes that it makes anew, each with the key that asks for it. Ignition makes an array anew in any
   * case: it cannot reuse one.
   */
  readonly erases: readonly string[];
  /** Paths of the files that it writes. Undefined: not known, because the config fetches another one. */
  readonly files: readonly string[] | undefined;
}

type Entry = Readonly<Record<string, unknown>>;

/** The effects of a config that is not known. */
export const UNKNOWN: Effects = { erases: [], files: undefined };
/** Bytes of a config that fits into the memory of `draisine` when it is parsed. */
export const MOST_BYTES = 8 << 20;

const entry = (value: unknown): Entry =>
  typeof value === 'object' && value !== null ? (value as Entry) : {};
const entries = (value: unknown): Entry[] => (Array.isArray(value) ? value.map(entry) : []);

/** The effects of a config (Ignition's specification 3). `text`: of a config that Ignition accepts. */
export function effectsOf(text: string): Effects {
  const { ignition, storage } = parse(text);
  const { disks, raid, luks, filesystems, files } = entry(storage);
  const { merge, replace } = entry(entry(ignition).config);
  const wiped = (list: unknown, key: string) =>
    entries(list).flatMap((each) =>
      each[key] === true && each.format !== 'swap' ? [`${each.device} (${key})`] : [],
    );
  return {
    erases: [
      ...wiped(disks, 'wipeTable'),
      ...entries(raid).map(({ name }) => `array ${name} (raid)`),
      ...wiped(luks, 'wipeVolume'),
      ...wiped(filesystems, 'wipeFilesystem'),
    ],
    files:
      entries(merge).length > 0 || replace !== undefined
        ? undefined
        : [
            ...entries(files).map(({ path }) => String(path)),
            // Ignition stores the key of a volume there. Without a key in the config it makes a random one.
            ...entries(luks).flatMap(({ name, keyFile }) =>
              entry(keyFile).source ? [`/etc/luks/${name}`] : [],
            ),
          ],
  };
}

function parse(text: string): Entry {
  try {
    return entry(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { ignition: { config: { replace: {} } } }; // Ignition judges it
  }
}
