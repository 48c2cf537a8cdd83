import { statSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import type { SourceNode } from '../base/node.ts';
import { secret } from '../base/secret.ts';
import { isOwners } from '../check/unmade.ts';
import type { Volume } from '../sugar/container-options.ts';
import { type Draft, type Key, loseOthers, type Project } from './draft.ts';
import { isTrue, itemsOf, memberOf, textOf } from './nodes.ts';

/**
 * A path of the host. Docker makes a folder that is missing. A path with a suffix is mostly a file. A folder beside the
 * compose file moves to a folder of the machine, and a file there becomes a file of the config.
 */
function hostPath(source: string, at: number, { name, folder, lost, folders, files }: Project): string {
  if (source.startsWith('/')) {
    if (isOwners(source) && posix.extname(source) === '') folders.add(source.replace(/\/+$/, ''));
    return source;
  }
  const below = posix.join('/', source.replace(/^~/, '')); // `..` does not leave the folder
  const path = `/var/lib/${name}${below}`.replace(/\/$/, '');
  const beside = statSync(resolve(folder, source), { throwIfNoEntry: false });
  if (beside?.isFile() && !posix.normalize(source).startsWith('..')) {
    files.set(path, { contents: secret({ file: source }), mode: beside.mode & 0o777 });
    return path;
  }
  folders.add(path);
  lost(at, `${source} lies beside the compose file: the result uses ${path}; copy the contents there`);
  return path;
}

function mount(item: SourceNode, draft: Draft, project: Project): Volume[] {
  const { lost } = project;
  const [shortSource, shortTarget, options = ''] = textOf(item).split(':');
  const isLong = item.kind === 'map';
  const source = isLong
    ? textOf(memberOf(item, 'source'))
    : shortTarget === undefined
      ? ''
      : (shortSource ?? '');
  const at = isLong ? textOf(memberOf(item, 'target')) : (shortTarget ?? shortSource ?? '');
  const readOnly = isLong ? isTrue(memberOf(item, 'read_only')) : /(^|,)ro(,|$)/.test(options);
  if (isLong)
    loseOthers(item, ['type', 'source', 'target', 'read_only', 'bind'], `the volume at ${at}`, lost);
  if (isLong)
    loseOthers(memberOf(item, 'bind'), ['create_host_path', 'selinux'], `the volume at ${at}`, lost);
  const type = textOf(memberOf(item, 'type'));
  if (isLong && !['', 'bind', 'volume', 'tmpfs'].includes(type)) {
    lost(item.at, `the volume at ${at} is not taken over: it is of type ${type}`);
    return [];
  }
  if (isLong && type === 'tmpfs') {
    draft.tmpfs = [...(draft.tmpfs ?? []), at];
    return [];
  }
  const others = options
    .split(',')
    .filter((option) => !/^(|ro|rw|z|Z|cached|delegated|consistent)$/.test(option));
  if (others.length > 0) lost(item.at, `${others.join(', ')} of the volume at ${at} is not taken over`);
  if (/\/docker\.sock$/.test(source)) {
    lost(item.at, "Docker's socket is not mounted: podman has no daemon that controls the machine");
    return [];
  }
  const common = { at, ...(readOnly ? { readOnly } : {}) };
  if (source === '') {
    const volume = `${project.name}-${at.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '')}`;
    lost(item.at, `the volume at ${at} has no name: the result calls it ${volume}`);
    return [{ volume, ...common }];
  }
  if (/^[./~]/.test(source)) return [{ path: hostPath(source, item.at, project), ...common }];
  return [{ volume: source, ...common }];
}

/** `volumes` of a service. */
export const volumes: Key = (value, draft, project) => {
  const mounted = itemsOf(value).flatMap((item) => mount(item, draft, project));
  draft.volumes = [...(draft.volumes ?? []), ...mounted];
};

/** `tmpfs` of a service. */
export const tmpfs: Key = (value, draft, { lost }) => {
  const paths = itemsOf(value).map((item) => {
    const [path = '', options] = textOf(item).split(':');
    if (options !== undefined) lost(item.at, `options of the tmpfs ${path} are not taken over: ${options}`);
    return path;
  });
  draft.tmpfs = [...(draft.tmpfs ?? []), ...paths];
};
