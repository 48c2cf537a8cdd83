import { badInput } from '../../sdk/lib/errors.ts';
import { isNetwork } from './addresses.ts';
import { checkPublishing } from './container-checks.ts';
import type { ContainerNetworkOptions, PodOptions } from './container-options.ts';
import { FOLDER, networkName, publishedPorts, quadletName } from './container-words.ts';
import { file } from './file.ts';
import type { Fragment } from './fragment.ts';
import { type Setting, section, unitText } from './ini.ts';

/** Lines of a unit that starts after other units, and not without them. It only waits for `targets`. */
const after = (
  units: readonly string[],
  ...targets: readonly string[]
): { readonly [setting: string]: Setting } => ({
  Requires: units.length > 0 ? units.join(' ') : undefined,
  After: units.length + targets.length > 0 ? [...units, ...targets].join(' ') : undefined,
});

/** A network of containers as a quadlet. Its containers find each other by name. */
export function containerNetwork(
  name: string,
  { internal, ipv6, subnet }: ContainerNetworkOptions = {},
  storage: readonly string[] = [],
): Fragment {
  if (subnet !== undefined && !isNetwork(subnet))
    throw badInput(`not a subnet: ${JSON.stringify(subnet)}`, { hint: 'write 10.90.0.0/24' });
  const contents = unitText([
    section('Unit', { Description: `Network ${name} of containers`, ...after(storage) }),
    section('Network', { NetworkName: name, Internal: internal, IPv6: ipv6, Subnet: subnet }),
  ]);
  return file(`${FOLDER}/${networkName(name)}.network`, { contents });
}

/** A pod as a quadlet: containers that share a network. */
export function pod(
  name: string,
  { ports, network }: PodOptions = {},
  storage: readonly string[] = [],
): Fragment {
  checkPublishing(`pods.${name}`, { ...(ports && { ports }), ...(network && { network }) });
  const contents = unitText([
    section('Unit', {
      Description: `Pod ${name}`,
      Wants: 'network-online.target',
      ...after(storage, 'network-online.target'),
    }),
    section('Pod', { PodName: name, PublishPort: publishedPorts(ports), Network: network }),
    section('Install', { WantedBy: 'multi-user.target' }),
  ]);
  return file(`${FOLDER}/${quadletName(name)}.pod`, { contents });
}
