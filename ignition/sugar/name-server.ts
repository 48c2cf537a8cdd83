import type { ContainerOptions, PodOptions, PublishedPort } from './container-options.ts';
import { file, link } from './file.ts';
import { type Fragment, mergeFragments } from './fragment.ts';

/**
 * Room for a container that publishes port 53 on every address. systemd-resolved uses that port on
 * 127.0.0.53, and aardvark-dns, which answers containers, uses it on the address of each bridge. Without
 * changes one of them would not start.
 */

const DNS = 53;
/** The new port of aardvark-dns. netavark redirects port 53 of the bridges to it (containers.conf(5)). */
export const AARDVARK_PORT = 1053;

const isEveryAddress = (address: string | undefined): boolean =>
  address === undefined || /^(0\.0\.0\.0|::|\[::\])$/.test(address);

const takesDns = (port: number | PublishedPort): boolean =>
  typeof port === 'number' ? port === DNS : port.host === DNS && isEveryAddress(port.address);

type Publishers = { readonly [name: string]: Pick<ContainerOptions, 'ports'> | Pick<PodOptions, 'ports'> };

/** Whether a container or pod publishes port 53 on every address of the machine. */
export const publishesDns = (...publishers: readonly Publishers[]): boolean =>
  publishers.flatMap((each) => Object.values(each)).some(({ ports = [] }) => ports.some(takesDns));

/**
 * Frees port 53: resolved answers on D-Bus and to glibc only, programs that read /etc/resolv.conf ask the
 * network's name servers, and aardvark-dns moves.
 */
export function freeDnsPort(): Fragment {
  return mergeFragments(
    file('/etc/systemd/resolved.conf.d/50-port-53.conf', {
      contents: '# A container has port 53.\n[Resolve]\nDNSStubListener=no\n',
    }),
    link('/etc/resolv.conf', { target: '../run/systemd/resolve/resolv.conf' }),
    file('/etc/containers/containers.conf.d/50-port-53.conf', {
      contents: `# A container has port 53.\n[network]\ndns_bind_port = ${AARDVARK_PORT}\n`,
    }),
  );
}
