import { badInput } from '../../sdk/lib/errors.ts';
import type { Target } from '../graph/target.ts';
import { type About, about, type ImageContext } from './about.ts';
import { bill } from './bill.ts';
import { boot } from './boot.ts';
import { facts } from './facts.ts';
import type { Image } from './image.ts';
import { media } from './media.ts';
import { netboot } from './netboot.ts';
import { ociArchive } from './oci.ts';
import { usr } from './usr.ts';

export type { ImageContext } from './about.ts';

/** The results of an image's graph. */
export interface ImageTargets {
  /** By artifact name (docs/images.md), each a target `IMAGE:NAME`. */
  readonly artifacts: Readonly<Record<string, Target>>;
  /** Output: `ImageTree`. */
  readonly tree: Target;
  /** Output: 64 hexadecimal digits. */
  readonly rootHash: Target;
  /** Output: a folder with the image's /usr without kernel modules. Machine configs are checked against it. */
  readonly root: Target;
}

/** The graph of one image, from the lock to all artifacts. */
export function imageTargets(image: Image, context: ImageContext): ImageTargets {
  const all = about(image, context);
  const system = usr(all);
  const booted = boot(all, system);
  const [microcode] = booted.microcode;
  const artifacts: Record<string, Target> = {
    ...media(all, system, booted),
    uki: booted.uki,
    kernel: booted.kernel,
    config: booted.config,
    initrd: booted.initrd,
    usr: system.erofs,
    'usr-verity': system.hashTree,
    'usr.img': system.file,
    ...netboot(all, system, booted),
    ...(microcode ? { microcode } : {}),
    ...bill(all),
    facts: facts(all.named('facts'), { tree: system.tree }),
  };
  addTestImages(all, artifacts);
  return { artifacts, tree: system.tree, rootHash: system.rootHash, root: system.root };
}

function addTestImages({ image, named, packages, epoch }: About, artifacts: Record<string, Target>): void {
  for (const test of image.testImages) {
    if (Object.hasOwn(artifacts, test.name)) {
      throw badInput(`two artifacts are called ${test.name}`, {
        where: `testImages of the image ${image.name}`,
        hint: 'rename one of them',
      });
    }
    artifacts[test.name] = ociArchive(named(test.name), {
      packages: packages.packages(test.set),
      name: test.name,
      entrypoint: test.entrypoint,
      epoch,
    });
  }
}
