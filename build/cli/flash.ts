import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { askPerson } from '../../sdk/lib/ask.ts';
import { formatBytes } from '../../sdk/lib/bytes.ts';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { sha256File } from '../../sdk/lib/files.ts';
import { log, type Progress, startProgress, warn } from '../../sdk/lib/log.ts';
import { nearNames } from '../../sdk/lib/near.ts';
import { formatSeconds } from '../graph/report.ts';
import { catchSignals } from '../graph/signals.ts';
import { sdkTree } from '../image/sdk.ts';
import { HOST } from '../media/flash-device.ts';
import { openImage } from '../media/flash-image.ts';
import { describeDevice } from '../media/flash-refuse.ts';
import {
  contentsOf,
  type FlashTarget,
  findTarget,
  openTarget,
  readerOf,
  rereadTable,
} from '../media/flash-target.ts';
import { writeImage } from '../media/flash-write.ts';
import { mappedRanges } from '../media/image-map.ts';
import { imageNames } from '../product/images.ts';
import { findManifest, MANIFEST, outFolder } from '../product/manifest.ts';
import { build } from './build.ts';

/** The options of `flash`. */
export interface FlashFlags {
  /** Serial number of the disk to erase. */
  readonly serial?: string;
  /** Do not ask. */
  readonly yes?: boolean;
  /** The target may be a regular file or a loop device. */
  readonly file?: boolean;
  readonly json?: boolean;
}

/** `flash IMAGE DEVICE`: writes an image to a stick, a card or a disk, and reads it back. */
export async function flash(image: string, device: string, flags: FlashFlags): Promise<void> {
  const { serial, file = false } = flags;
  const asked = { path: device, imageSize: 0, serial, file };
  await findTarget(asked, HOST); // Refuses first what needs no build.
  const { path, sha256 } = await imageFile(image);
  const sdk = await sdkTree('sdk-image');
  const scratch = await mkdtemp(join(tmpdir(), `draisine-flash-${process.pid}-`));
  let state: 'untouched' | 'half' | 'whole' = 'untouched';
  const confess = (): void => {
    if (state !== 'half') return;
    state = 'untouched'; // Reports it once.
    warn(`${device} is half written: its old contents are gone, and nothing boots from it; flash it again`);
  };
  const interruption = catchSignals(confess);
  try {
    const opened = await openImage(path, scratch, sdk, interruption.signal);
    try {
      if (sha256 !== undefined && (await sha256File(path)) !== sha256)
        throw new Failure('the image has changed since it was built: its SHA-256 differs', {
          where: path,
          hint: `./draisine build ${image}`,
        });
      const imageSector = opened.kind === 'disk' ? 512 : undefined;
      const target = await findTarget({ ...asked, image: path, imageSize: opened.size, imageSector }, HOST);
      const handle = await openTarget(target);
      const began = performance.now();
      let written: number;
      try {
        await describe(target, sdk);
        if (!flags.yes) await ask(device, interruption.signal);
        const ranges = await mappedRanges(opened.handle, opened.size);
        const progress = meter(device);
        state = 'half';
        try {
          written = await writeImage({
            image: opened.handle,
            imageSize: opened.size,
            ranges,
            target: handle,
            targetSize: target.size,
            readBack: readerOf(target, sdk),
            signal: interruption.signal,
            onProgress: progress.update,
          });
        } catch (error) {
          progress.end('stopped');
          throw error;
        }
        progress.end(
          `written and verified, ${formatBytes(written)} for an image of ${formatBytes(opened.size)}`,
        );
        state = 'whole';
      } finally {
        await handle.close();
      }
      const seconds = (performance.now() - began) / 1000;
      if (target.device && !(await rereadTable(target, sdk)))
        log('the kernel did not read the new partition table: unplug the medium and plug it in again');
      if (flags.json)
        process.stdout.write(
          `${JSON.stringify({ image: path, device, size: opened.size, written, seconds: Number(seconds.toFixed(1)) })}\n`,
        );
    } finally {
      await opened.handle.close();
    }
  } catch (error) {
    confess();
    if (!interruption.signal.aborted) throw error;
  } finally {
    await rm(scratch, { recursive: true, force: true });
    interruption.end();
  }
}

/**
 * An image of this checkout, with the digest of its manifest; it is built if it is not there. Any other name
 * is a file.
 */
async function imageFile(image: string): Promise<{ path: string; sha256?: string }> {
  const name = image.replace(/-dev$/, '');
  if (!imageNames().includes(name)) {
    if (existsSync(image)) return { path: resolve(image) };
    throw badInput(`${image} is neither an image nor a file`, { hint: nearNames(image, imageNames()) });
  }
  const dev = name !== image;
  if (!existsSync(join(outFolder(name, dev), MANIFEST))) {
    const code = await build([name], { dev });
    if (code !== 0)
      throw new Failure(`${image} could not be built: see above`, { exitCode: code === 2 ? 2 : 1 });
  }
  const { manifest, folder, path } = findManifest(outFolder(name, dev));
  const disk = manifest.artifacts.find((artifact) => artifact.name === 'disk');
  if (!disk) throw badInput(`${image} has no disk image`, { where: path, hint: `./draisine build ${name}` });
  return { path: join(folder, disk.path), sha256: disk.sha256 };
}

/** Describes the target before it is erased. */
async function describe({ path, size, device }: FlashTarget, sdk: string): Promise<void> {
  if (!device) return log(`${path}: a regular file, ${formatBytes(size)}`);
  log(`${path}: ${describeDevice(device)}, ${formatBytes(size)}; on it:`);
  for (const line of await contentsOf(device, sdk, formatBytes)) log(`  ${line}`);
}

async function ask(device: string, signal: AbortSignal): Promise<void> {
  if (!process.stdin.isTTY)
    throw badInput(`no terminal to ask on whether ${device} may be erased`, {
      hint: 'add --yes to erase it without a question',
    });
  const answer = await askPerson(`Erase all of ${device}? Type yes: `, { signal });
  if (answer !== 'yes') throw new Failure('nothing was written');
}

/** Progress of a stage: its rate, and the time left for both stages. */
function meter(label: string): {
  update(stage: 'writing' | 'verifying', done: number, total: number): void;
  end(note: string): void;
} {
  let progress: Progress | undefined;
  const began = performance.now();
  const at = { writing: 0, verifying: 0 };
  const spent = { writing: 0, verifying: 0 };
  let last = began;
  return {
    update: (stage, done, total) => {
      const now = performance.now();
      spent[stage] += now - last;
      last = now;
      at[stage] = done;
      progress ??= startProgress(label, 2 * total);
      progress.update(
        at.writing + at.verifying,
        `${stage}, ${pace(at[stage], spent[stage])}, ${left(total)}`,
      );
    },
    end: (note) => progress?.done(note),
  };

  function left(total: number): string {
    const slowest = at.writing / spent.writing;
    const reading = at.verifying > 0 ? at.verifying / spent.verifying : slowest;
    return `${formatSeconds((total - at.writing) / slowest + (total - at.verifying) / reading)} left`;
  }
}

function pace(bytes: number, ms: number): string {
  return `${formatBytes((1000 * bytes) / Math.max(1, ms))}/s`;
}
