import { unitPath } from './unit-name.ts';

export interface MountedFilesystem {
  readonly device: string;
  readonly format: string;
  readonly path?: string;
  readonly mountOptions?: readonly string[];
}

export interface RenderedUnit {
  readonly name: string;
  readonly enabled: true;
  readonly contents: string;
}

/**
 * The mount (or swap) unit of a filesystem (systemd.mount(5), systemd.swap(5)).
 * @param remote its key comes over the network, so it waits for it
 */
export function mountUnit(
  { device, format, path = '', mountOptions = [] }: MountedFilesystem,
  remote: boolean,
): RenderedUnit {
  const options = mountOptions.length === 0 ? [] : [`Options=${mountOptions.join(',')}`];
  if (format === 'swap') {
    const contents = ['[Swap]', `What=${device}`, ...options, '', '[Install]', 'RequiredBy=swap.target', ''];
    return { name: `${unitPath(device)}.swap`, enabled: true, contents: contents.join('\n') };
  }
  const target = remote ? 'remote-fs.target' : 'local-fs.target';
  const check = `systemd-fsck@${unitPath(device)}.service`;
  const contents = [
    '[Unit]',
    ...(remote ? ['DefaultDependencies=no'] : []),
    `Before=${target}`,
    `Requires=${check}`,
    `After=${check}`,
    '',
    '[Mount]',
    `Where=${path}`,
    `What=${device}`,
    `Type=${format}`,
    ...options,
    '',
    '[Install]',
    `RequiredBy=${target}`,
    '',
  ];
  return { name: `${unitPath(path)}.mount`, enabled: true, contents: contents.join('\n') };
}
