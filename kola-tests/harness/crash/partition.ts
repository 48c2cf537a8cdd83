import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import type { CrashDisk, Region, View } from './disk.ts';
import type { CrashState } from './order.ts';
import { type Recording, writeOut } from './survey.ts';

/** The state partition as a file that is changed from state to state. Only sectors that may differ are written. */
export class PartitionFile {
  readonly path: string;
  readonly #recording: Recording;
  readonly #region: Region;
  #fd: number | undefined;
  /** Requests whose sectors may differ from the durable content. */
  #loose: readonly number[] = [];
  /** Requests that have become durable since the last `write`. */
  #settled: number[] = [];

  constructor(recording: Recording, region: Region, path: string) {
    this.#recording = recording;
    this.#region = region;
    this.path = path;
  }

  /** Must be called for each state in order, also for states that are not read. */
  note(state: CrashState): void {
    this.#settled.push(...state.settled);
  }

  /** Changes the file to the current state of the disk, which is the last noted one. */
  bring(disk: CrashDisk, state: CrashState): void {
    const now = [...state.applied, ...(state.torn ? [state.torn.entry] : [])];
    if (this.#fd === undefined) {
      writeOut(disk, this.#region, this.path);
      this.#fd = openSync(this.path, 'r+');
    } else {
      const view = disk.view(this.#region);
      for (const index of new Set([...this.#loose, ...this.#settled, ...now])) this.#rewrite(view, index);
    }
    this.#loose = now;
    this.#settled = [];
  }

  /** For the next state, the file is written from the beginning. */
  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    rmSync(this.path);
    this.#fd = undefined;
  }

  #rewrite(view: View, index: number): void {
    const { entries, sectorSize } = this.#recording.log;
    const { sector, sectors } = entries[index]!;
    const from = Math.max(0, sector * sectorSize - this.#region.offset);
    const to = Math.min(this.#region.length, (sector + sectors) * sectorSize - this.#region.offset);
    if (to <= from) return;
    const bytes = view.read(from, to - from);
    writeSync(this.#fd!, bytes, 0, bytes.length, from);
  }
}
