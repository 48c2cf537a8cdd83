import type { GptEntry } from './gpt.ts';

/** A partition of the table on the disk. UUIDs are in lower case. */
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
  /** The version in its label; undefined if the slot has no complete release. */
  readonly version: string | undefined;
  /** Whether the running `/usr` is in this slot. */
  readonly running: boolean;
}

/** A unified kernel image on the ESP, named as boot counting has it (Boot Loader Specification, "Boot counting"). */
export interface InstalledUki {
  /** `draisine_2026.1129.0+2-1.efi`. */
  readonly file: string;
  readonly version: string;
  /** Tries left and done; undefined if it is not counted, i.e. committed. */
  readonly left: number | undefined;
  readonly done: number | undefined;
  /** The root hash on its command line; undefined if there is none. */
  readonly rootHash: string | undefined;
  /** Bytes. */
  readonly size: number;
}

/** A disk with an installed Draisine. */
export interface DraisineDisk {
  /** `vda`. */
  readonly name: string;
  readonly esp: Partition;
  /** In the order of the table. */
  readonly slots: readonly Slot[];
  readonly partitions: readonly Partition[];
}

/** The running /usr, as dm-verity describes it. */
export interface RunningUsr {
  readonly rootHash: string;
  /** Bytes of the file system in the slot. */
  readonly size: number;
  /** `/dev/vda2`, or a loop device if /usr is a file. */
  readonly dataDevice: string;
  /** Device of the hash tree, and its first block of 4096 bytes there: the one after the superblock. */
  readonly hashDevice: string;
  readonly hashStart: number;
}

/** A release to put into a slot. Sizes in bytes. */
export interface SlotContent {
  readonly version: string;
  readonly rootHash: string;
  /** The erofs, and its hash tree with superblock. */
  readonly usrSize: number;
  readonly veritySize: number;
  /**
   * Writes both partitions. The slot's label is `_empty` at that time. Afterwards the caller reads the slot
   * back and checks it against the root hash, so this function need not flush or compare. An error ends the
   * staging.
   */
  write(devices: { readonly usr: string; readonly verity: string }): void;
}

/** A UKI to install. */
export interface UkiContent {
  readonly version: string;
  /** Size in bytes, to check the room on the ESP. */
  readonly size: number;
  readonly sha256: string;
  /** Makes the file at this path (a temporary name on the mounted ESP). */
  write(path: string): void;
}
