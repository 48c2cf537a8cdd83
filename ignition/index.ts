/** Everything for a machine config: `machine`, and the functions that make its parts. */

export { type Secret, secret, type Text } from './base/secret.ts';
export { type Machine, type MachineOptions, machine } from './machine.ts';
export { container } from './sugar/container.ts';
export type {
  ContainerNetworkOptions,
  ContainerOptions,
  PodOptions,
  Volume,
} from './sugar/container-options.ts';
export { type DatasetOptions, dataset } from './sugar/dataset.ts';
export { dir, type FileOptions, file, link } from './sugar/file.ts';
export { type FirewallOptions, firewall } from './sugar/firewall.ts';
export { type Fragment, mergeFragments } from './sugar/fragment.ts';
export { type NetworkOptions, network } from './sugar/network.ts';
export { type NotifyOptions, type NotifyTarget, notify } from './sugar/notify.ts';
export { containerNetwork, pod } from './sugar/pod.ts';
export { type ReplicateOptions, replicate } from './sugar/replicate.ts';
export { type SmartOptions, smart } from './sugar/smart.ts';
export { hostname, kernelArguments, time } from './sugar/system.ts';
export { type UnitOptions, unit } from './sugar/unit.ts';
export { type SnapshotPolicy, scrub, snapshotPolicy } from './sugar/upkeep.ts';
export { group, sshKey, type UserOptions, user } from './sugar/user.ts';
export { type LuksOptions, luks, swap, zram } from './sugar/volumes.ts';
export { type PoolOptions, type Vdev, zpool } from './sugar/zpool.ts';
