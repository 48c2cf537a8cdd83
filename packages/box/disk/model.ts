import type { GptEntry } from './gpt.ts';

/** A partition as the table on the disk says it: its UUIDs are in small letters. */
export interface Partition extends GptEntry {
  /** `/dev/vda4`. */
  readonly device: string;
}

/** One of the two pairs of partitions that hold `/usr` and its hash tree. */
export interface Slot {
  /** `a`, `b`, in the order of the table. */
  readonly name: string;
  readonly usr: Partition;
  readonly verity: Partition;
  /** Of its label; undefined: the slot holds nothing whole. */
  readonly version: string | undefined;
  /** The `/usr` that runs is this one's. */
  readonly running: boolean;
}

/** A unified kernel image on the ESP, named as boot counting has it (Boot Loader Specification, "Boot counting"). */
export interface InstalledUki {
  /** `draisine_2026.1129.0+2-1.efi`. */
  readonly file: string;
  readonly version: string;
  /** Tries left and done; undefined: not counted, which is a release that was committed. */
  readonly left: number | undefined;
  readonly done: number | undefined;
  /** Of its command line; undefined: it has none. */
  readonly rootHash: string | undefined;
  /** Bytes. */
  readonly size: number;
}

/** A disk with a Draisine on it. */
export interface DraisineDisk {
  /** `vda`. */
  readonly name: string;
  readonly esp: Partition;
  /** In the order of the table. */
  readonly slots: readonly Slot[];
  readonly partitions: readonly Partition[];
}

/** What runs, as dm-verity says. */
export interface RunningUsr {
  readonly rootHash: string;
  /** Bytes of the file system in the slot. */
  readonly size: number;
  /** `/dev/vda2`, or a loop device when it is a file. */
  readonly dataDevice: string;
  /** Device of the hash tree, and its first block of 4096 bytes there: the one after the superblock. */
  readonly hashDevice: string;
  readonly hashStart: number;
}

/** A release that is to be put into a slot. Sizes in bytes. */
export interface SlotContent {
  readonly version: string;
  readonly rootHash: string;
  /** The erofs, and its hash tree with superblock. */
  readonly usrSize: number;
  readonly veritySize: number;
  /**
   * Writes both. The slot's label says `_empty` by then and its blocks are nobody's; what is written is read back and
   * checked against the root hash afterwards, so it need not flush or compare. Throws what ends the staging.
   */
  write(devices: { readonly usr: string; readonly verity: string }): void;
}

/** A UKI that is to be installed. */
export interface UkiContent {
  readonly version: string;
  /** Bytes, for the room on the ESP. */
  readonly size: number;
  readonly sha256: string;
  /** Makes the file at this path, on the mounted ESP: its temporary name. */
  write(path: string): void;
}
