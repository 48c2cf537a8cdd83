import { type Acceleration, probeAcceleration } from '../qemu/accel.ts';
import { type Artifact, type ImageArtifacts, readArtifacts } from '../qemu/artifacts.ts';
import { type Emulator, emulatorOf } from '../qemu/emulator.ts';
import { sweep, sweepTemporary } from '../qemu/rundir.ts';

/** The parts that all machines of one run of the harness share. */
export interface Lab {
  readonly emulator: Emulator;
  readonly accel: Acceleration;
  readonly image: ImageArtifacts;
  /** The image's disk: machines write to overlays of it. */
  readonly disk: Artifact;
  /** Whether machines are forked from snapshots. Otherwise each machine boots. */
  readonly forks: boolean;
  /** Prints a line for the user. */
  log(line: string): void;
}

/**
 * Checks the artifacts, removes leftovers of killed runs, and chooses the acceleration. `out` holds
 * `IMAGE/manifest.json`.
 */
export async function openLab(options: {
  readonly image: string;
  readonly out: string;
  readonly toolTree: string;
}): Promise<Lab> {
  const image = await readArtifacts(options.out, options.image);
  const emulator = await emulatorOf(options.toolTree);
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  for (const line of [...sweep(), ...sweepTemporary()]) log(`kola: ${line}`);
  const accel = await probeAcceleration(emulator, await image.get('kernel'));
  log(`kola: ${accel.why}`);
  return { emulator, accel, image, disk: await image.get('disk'), forks: true, log };
}
