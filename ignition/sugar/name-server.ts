import type { ContainerOptions, PodOptions, PublishedPort } from './container.ts';
import { file, link } from './file.ts';
import { type Fragment, mergeFragments } from './fragment.ts';

/**
 * A container that publishes port 53 on every address. systemd-resolved has that port on 127.0.0.53, and aardvark-dns,
 * which answers containers, on the address of each bridge: one of them would not start.
 */

const DNS = 53;
/** Where aardvark-dns listens instead. netavark leads port 53 of the bridges there (containers.conf(5)). */
export const AARDVARK_PORT = 1053;

const isEveryAddress = (address: string | undefined): boolean =>
  address === undefined || /^(0\.0\.0\.0|::|\[::\])$/.test(address);

const takesDns = (port: number | PublishedPort): boolean =>
  typeof port === 'number' ? port === DNS : port.host === DNS && isEveryAddress(port.address);

type Publishers = { readonly [name: string]: Pick<ContainerOptions, 'ports'> | Pick<PodOptions, 'ports'> };

/** Whether any of them publishes port 53 on every address of the machine. */
export const publishesDns = (...publishers: readonly Publishers[]): boolean =>
  publishers.flatMap((each) => Object.values(each)).some(({ ports = [] }) => ports.some(takesDns));

/**
 * Makes room on port 53: resolved answers on D-Bus and to glibc alone, programs that read /etc/resolv.conf ask the
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
