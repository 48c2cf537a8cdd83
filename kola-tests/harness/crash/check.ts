import { createHash } from 'node:crypto';
import { Failure } from '../../../sdk/lib/errors.ts';
import type { CrashDisk, Region, View } from './disk.ts';
import { type Fat, type FatEntry, openFat } from './fat.ts';
import { type Partition, readTable, type Table, tableRegions } from './gpt.ts';
import { inOrder } from './loader.ts';
import type { WriteLog } from './log.ts';
import { hasData } from './order.ts';
import { type Uki, ukiOf } from './uki.ts';
import { Verity } from './verity.ts';

/** The behaviour of a machine whose disk is in the state after a power cut. */
export type Verdict =
  /** The firmware finds nothing to boot on the disk, and tries its next boot entry. */
  | { readonly boots: 'nothing'; readonly why: string }
  /** The boot loader starts this UKI, and its release is intact. */
  | {
      readonly boots: 'release';
      readonly root: string;
      readonly file: string;
      /** The parts that the boot reads: copy and labels of the table, and the files of the ESP. */
      readonly kind: string;
      /** The state partition, if there is one. Equal keys mean equal bytes. */
      readonly state: (Region & { readonly key: string }) | undefined;
      /** The partitions that are neither ESP nor slots: their entries in the table. */
      readonly others: string;
      /** Equal texts: the same partitions, with the same bytes. */
      readonly content: string;
    }
  /** The boot begins, and the machine does not come up. */
  | { readonly boots: 'broken'; readonly why: string };

/** The SHA-256 of intact files: the boot loaders and UKIs from before and after the operation. */
export type Known = ReadonlySet<string>;

const ESP = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
// The Discoverable Partitions Specification: x86-64.
const USR = '8484680c-9521-48c6-9c11-b0720656f69e';
const USR_VERITY = '77ff5f63-e7b6-4633-acf4-1565b864c0e6';
const LOADER = 'EFI/BOOT/BOOTX64.EFI';
const STATE = 'draisine-state';

/** Finds for each state the release that boots. Parts that a state shares with earlier ones are not checked again. */
export class Checker {
  readonly #disk: CrashDisk;
  readonly #block: number;
  readonly #known: Known;
  readonly #verity = new Verity();
  readonly #tables = new Map<string, Table | undefined>();
  readonly #choices = new Map<string, Choice>();
  readonly #files = new Map<string, { readonly sha256: string; readonly uki: Uki | undefined }>();

  /** `block`: bytes of a logical block of the disk. */
  constructor(disk: CrashDisk, block: number, known: Known) {
    this.#disk = disk;
    this.#block = block;
    this.#known = known;
  }

  /** The verdict on the current state of the disk. */
  verdict(): Verdict {
    const table = this.#table();
    if (!table) return { boots: 'nothing', why: 'no valid partition table' };
    const esp = table.partitions.find(({ type }) => type === ESP);
    if (!esp) return { boots: 'nothing', why: 'no EFI system partition' };
    const choice = this.#choice(this.#disk.view(esp));
    if ('boots' in choice) return choice;
    const fault = this.#slotFault(table, choice.root);
    if (fault) return { boots: 'broken', why: `${choice.file}: ${fault}` };
    return { boots: 'release', root: choice.root, file: choice.file, ...this.#beside(table, choice.menu) };
  }

  /** The fields of a verdict besides the release. */
  #beside({ copy, partitions }: Table, menu: string) {
    const others = partitions.filter(({ type }) => type !== ESP && type !== USR && type !== USR_VERITY);
    const entries = others.map(({ label, uuid, offset, length }) => `${label} ${uuid} ${offset}+${length}`);
    const state = others.find(({ label }) => label === STATE);
    return {
      kind: [copy, ...partitions.map(({ label }) => label), menu].join(' '),
      state: state && { ...state, key: this.#disk.view(state).key },
      others: entries.join(', '),
      content: others.map((each) => this.#disk.view(each).key).join(', '),
    };
  }

  #table(): Table | undefined {
    const { primary, backup } = tableRegions(this.#disk.size, this.#block);
    const views = [this.#disk.view(primary), this.#disk.view(backup)] as const;
    const key = `${views[0].key} ${views[1].key}`;
    if (!this.#tables.has(key)) this.#tables.set(key, readTable(...views, this.#block));
    return this.#tables.get(key);
  }

  #choice(esp: View): Choice {
    const known = this.#choices.get(esp.key);
    if (known) return known;
    const choice = this.#choose(esp);
    this.#choices.set(esp.key, choice);
    return choice;
  }

  #choose(esp: View): Choice {
    let fat: Fat;
    try {
      fat = openFat(esp);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { boots: 'nothing', why: 'no file system on the EFI system partition' };
    }
    const loader = fat.find(LOADER);
    if (!loader || loader.folder) return { boots: 'nothing', why: 'no boot loader' };
    if (!this.#known.has(this.#file(fat, loader).sha256))
      return { boots: 'nothing', why: 'the boot loader is damaged' };
    const files = (fat.list('EFI/Linux') ?? []).filter(({ name, folder }) => !folder && /\.efi$/i.test(name));
    const ukis = files.flatMap((file) => {
      const { uki, sha256 } = this.#file(fat, file);
      return uki ? [{ file: file.name, sha256, ...uki }] : [];
    });
    const [first] = inOrder(ukis);
    const chosen = ukis.find(({ file }) => file === first?.file);
    if (!first || !chosen) return { boots: 'broken', why: 'the boot loader has no entry' };
    if (first.profile > 0)
      return { boots: 'broken', why: `profile ${first.profile} of ${first.file} starts` };
    if (!this.#known.has(chosen.sha256)) return { boots: 'broken', why: `${chosen.file} is damaged` };
    const root = /(?:^|\s)usrhash=([0-9a-f]{64})(?:\s|$)/.exec(chosen.commandLine)?.[1];
    if (!root) return { boots: 'broken', why: `${chosen.file} has no usrhash=` };
    return { root, file: chosen.file, menu: this.#menu(fat) };
  }

  /** The files of the ESP by name, and whether they are empty. They show how far an operation has come. */
  #menu(fat: Fat): string {
    const named = ['', 'EFI/BOOT', 'EFI/Linux', 'loader'].flatMap((path) => fat.list(path) ?? []);
    return named.map(({ name, folder, size }) => (folder || size > 0 ? name : `${name}=`)).join(' ');
  }

  #file(fat: Fat, entry: FatEntry) {
    const identity = fat.identity(entry);
    const known = this.#files.get(identity);
    if (known) return known;
    const bytes = fat.read(entry);
    const whole = bytes.length === entry.size;
    const sha256 = whole ? sha256Of(bytes) : '';
    const found = { sha256, uki: ukiOf(bytes) };
    this.#files.set(identity, found);
    return found;
  }

  /** PARTUUIDs are the halves of the root hash: systemd-veritysetup-generator(8), usrhash=. */
  #slotFault({ partitions }: Table, root: string): string | undefined {
    const named = (hex: string): Partition | undefined =>
      partitions.find(({ uuid }) => uuid.replaceAll('-', '') === hex);
    const data = named(root.slice(0, 32));
    const hashes = named(root.slice(32));
    if (!data || !hashes) return 'no partition holds its /usr';
    return this.#verity.fault(this.#disk.view(data), this.#disk.view(hashes), root);
  }
}

/** Reads the boot loaders and UKIs that a disk has at the beginning and at the end of a recording. */
export function knownFiles(
  disk: CrashDisk,
  { log, block }: { readonly log: WriteLog; readonly block: number },
): Known {
  const known = new Set<string>();
  const look = (): void => {
    const { primary, backup } = tableRegions(disk.size, block);
    const table = readTable(disk.view(primary), disk.view(backup), block);
    const esp = table?.partitions.find(({ type }) => type === ESP);
    if (!esp) return;
    const fat = openFat(disk.view(esp));
    const ukis = (fat.list('EFI/Linux') ?? []).filter(({ folder }) => !folder);
    for (const file of [fat.find(LOADER) ?? [], ...ukis].flat()) known.add(sha256Of(fat.read(file)));
  };
  look();
  const all = [...log.entries.keys()].filter((index) => hasData(log.entries[index]!));
  disk.goTo({ at: log.entries.length - 1, settled: all, applied: [] });
  look();
  return known;
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

type Choice =
  | Exclude<Verdict, { readonly boots: 'release' }>
  | { readonly root: string; readonly file: string; readonly menu: string };
