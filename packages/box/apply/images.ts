import { type Box, whyFailed } from '../io/box.ts';
import { type NodeStep, pathOf } from './plan.ts';

/** Quadlets with an image (podman-systemd.unit(5)). */
const QUADLET = /^\/etc\/containers\/systemd\/.+\.(container|image)$/;

/** Files on which pulls depend: registries, and the dataset for images. If they change too, podman pulls at the start. */
const OF_PULLS = /^\/etc\/(containers\/(?!systemd\/)|draisine\/(pools|datasets)\/)/;

/** Seconds for one image. */
const PATIENCE = 3600;

function imagesOf(steps: readonly NodeStep[], decode: (bytes: Uint8Array) => string): Set<string> {
  const quadlets = steps.flatMap((step) =>
    step.do === 'write' &&
    step.node.type === 'file' &&
    QUADLET.test(step.node.path) &&
    'bytes' in step.node.contents
      ? [decode(step.node.contents.bytes)]
      : [],
  );
  const images = quadlets.flatMap((text) =>
    /^Pull=never$/m.test(text) ? [] : (/^Image=\s*(\w[^\s%$]*)\s*$/m.exec(text)?.slice(1) ?? []),
  );
  // An image that was built here is in no registry.
  return new Set(images.filter((image) => !/^localhost\/|\.(image|build)$/.test(image)));
}

/**
 * Pulls the images of new and changed containers before anything changes, because a large image takes longer than the
 * time until a revert, and its container would not run meanwhile. After a failure the start of the container tries it
 * again.
 */
export function pullImages(
  box: Box,
  steps: readonly NodeStep[],
  decode: (bytes: Uint8Array) => string,
): void {
  if (steps.some((step) => OF_PULLS.test(pathOf(step)))) return;
  for (const image of imagesOf(steps, decode)) {
    if (box.run(['podman', 'image', 'exists', '--', image]).code === 0) continue;
    const command = ['podman', 'pull', '--quiet', '--', image];
    const ran = box.run(command, { timeoutSeconds: PATIENCE });
    if (ran.code !== 0)
      box.log('warning', `apply: the image ${image} is not pulled yet: ${whyFailed(command, ran)}`);
  }
}
