import { type Box, mustRun } from '../io/box.ts';

/* Container images that nothing uses. */

const STORAGE = '/var/lib/containers/storage/overlay-images';
/** Folders of units and quadlets, which may name an image even if they do not run now. */
const UNITS = ['/etc/containers/systemd', '/etc/systemd/system'];

/** A container image that no container uses. */
export interface UnusedImage {
  /** All its names, or else its ID. podman removes no image by its ID that has several names. */
  readonly words: readonly string[];
  /** `docker.io/library/caddy:2`, or the first characters of its digest. */
  readonly name: string;
  /** Size in bytes. Layers that several images share count in each of them. */
  readonly size: number;
}

interface Listed {
  readonly Id: string;
  readonly Names?: readonly string[] | null;
  /** `docker.io/library/caddy@sha256:…`: the manifest of this architecture, and the list of all. */
  readonly RepoDigests?: readonly string[] | null;
  readonly Containers?: number;
  readonly Size?: number;
}

function textsBelow(box: Box, path: string): string {
  const info = box.lstat(path);
  if (info?.type === 'directory')
    return box
      .list(path)
      .map((name) => textsBelow(box, `${path}/${name}`))
      .join('\n');
  return info?.type === 'file' ? box.readText(path) : '';
}

/** Short forms of an image's name: `docker.io/library/` and `:latest` are often left out. */
function spellings(name: string): string[] {
  const short = name.replace(/^docker\.io\/(library\/)?/, '');
  return [name, short].flatMap((each) => [each, each.replace(/:latest$/, '')]);
}

/**
 * Images that no container has, no unit or quadlet names, and that can be fetched again. Images that were
 * built here (`localhost/`) are not among them. None if podman was never used.
 */
export function unusedImages(box: Box): UnusedImage[] {
  if (box.stat(STORAGE) === undefined) return [];
  const told = mustRun(box, 'cannot list images', ['podman', 'images', '--format', 'json'], {
    timeoutSeconds: 120,
  });
  const units = UNITS.map((path) => textsBelow(box, path)).join('\n');
  // podman lists an image once for each of its names.
  const listed = new Map(((JSON.parse(told) ?? []) as readonly Listed[]).map((image) => [image.Id, image]));
  return [...listed.values()]
    .filter(({ Containers = 0, Names, RepoDigests }) => {
      const names = Names ?? [];
      // A unit may pin a digest. With a tag before it, podman does not keep the name of the unit.
      const digests = (RepoDigests ?? []).map((name) => name.slice(name.indexOf('@') + 1));
      if (digests.some((digest) => units.includes(digest))) return false;
      if (Containers > 0 || names.some((name) => name.startsWith('localhost/'))) return false;
      return !names.some((name) => spellings(name).some((each) => units.includes(each)));
    })
    .map(({ Id, Names, Size = 0 }) => ({
      words: Names && Names.length > 0 ? Names : [Id],
      name: Names?.[0] ?? Id.slice(0, 12),
      size: Size,
    }));
}
