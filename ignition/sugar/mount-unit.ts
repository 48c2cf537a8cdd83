import { unitPath } from './unit-name.ts';

/** A file system that a unit mounts. */
export interface MountedFilesystem {
  readonly device: string;
  readonly format: string;
  readonly path?: string;
  readonly mountOptions?: readonly string[];
}

/** A unit in the form of Ignition. */
export interface RenderedUnit {
  readonly name: string;
  readonly enabled: true;
  readonly contents: string;
}

/** A text in a unit file: % begins a specifier there (systemd.unit(5), "Specifiers"). */
const plain = (text: string): string => text.replaceAll('%', '%%');

/**
 * The mount (or swap) unit of a file system (systemd.mount(5), systemd.swap(5)).
 * @param remote whether its key comes over the network. Then _netdev makes systemd mount it between
 * network-online.target and remote-fs.target, and unmount it before the network stops (systemd.mount(5),
 * "Default Dependencies")
 */
export function mountUnit(
  { device, format, path = '', mountOptions = [] }: MountedFilesystem,
  remote: boolean,
): RenderedUnit {
  const all = [...mountOptions, ...(remote && !mountOptions.includes('_netdev') ? ['_netdev'] : [])];
  const options = all.length === 0 ? [] : [`Options=${plain(all.join(','))}`];
  if (format === 'swap') {
    const contents = [
      '[Swap]',
      `What=${plain(device)}`,
      ...options,
      '',
      '[Install]',
      'RequiredBy=swap.target',
      '',
    ];
    return { name: `${unitPath(device)}.swap`, enabled: true, contents: contents.join('\n') };
  }
  const target = remote ? 'remote-fs.target' : 'local-fs.target';
  const check = `systemd-fsck@${unitPath(device)}.service`;
  const contents = [
    '[Unit]',
    `Requires=${check}`,
    `After=${check}`,
    '',
    '[Mount]',
    `Where=${plain(path)}`,
    `What=${plain(device)}`,
    `Type=${format}`,
    ...options,
    '',
    '[Install]',
    `RequiredBy=${target}`,
    '',
  ];
  return { name: `${unitPath(path)}.mount`, enabled: true, contents: contents.join('\n') };
}
