// Generated from the schemas of the source package ignition by `draisine ignition types`. Do not edit.

import type { Keys } from './shape.ts';

export type HttpHeaders = {
name: string
value?: (string | null)
}[]
export type KernelArgument = string

export interface Config {
ignition: Ignition
storage?: Storage
systemd?: Systemd
passwd?: Passwd
kernelArguments?: KernelArguments
}
export interface Ignition {
version?: string
config?: IgnitionConfig
timeouts?: Timeouts
security?: Security
proxy?: Proxy
}
export interface IgnitionConfig {
merge?: Resource[]
replace?: Resource
}
export interface Resource {
source?: (string | null)
compression?: (string | null)
httpHeaders?: HttpHeaders
verification?: Verification
}
export interface Verification {
hash?: (string | null)
}
export interface Timeouts {
httpResponseHeaders?: (number | null)
httpTotal?: (number | null)
}
export interface Security {
tls?: {
certificateAuthorities?: Resource[]
}
}
export interface Proxy {
httpProxy?: (string | null)
httpsProxy?: (string | null)
noProxy?: (string | null)[]
}
export interface Storage {
disks?: Disk[]
raid?: Raid[]
luks?: Luks[]
filesystems?: Filesystem[]
files?: (Node & {
mode?: (number | null)
contents?: Resource
append?: Resource[]
})[]
directories?: (Node & {
mode?: (number | null)
})[]
links?: (Node & {
target?: (string | null)
hard?: (boolean | null)
})[]
}
export interface Disk {
device: string
wipeTable?: (boolean | null)
partitions?: Partition[]
}
export interface Partition {
label?: (string | null)
number?: number
sizeMiB?: (number | null)
startMiB?: (number | null)
typeGuid?: (string | null)
guid?: (string | null)
wipePartitionEntry?: (boolean | null)
shouldExist?: (boolean | null)
resize?: (boolean | null)
}
export interface Raid {
name: string
level?: (string | null)
spares?: (number | null)
devices?: string[]
options?: string[]
}
export interface Luks {
name: string
label?: (string | null)
uuid?: (string | null)
device?: (string | null)
keyFile?: Resource
wipeVolume?: (boolean | null)
clevis?: Clevis
options?: string[]
}
export interface Clevis {
custom?: ClevisCustom
tpm2?: (boolean | null)
tang?: Tang[]
threshold?: (number | null)
}
export interface ClevisCustom {
pin?: (string | null)
config?: (string | null)
needsNetwork?: (boolean | null)
}
export interface Tang {
url?: string
thumbprint?: (string | null)
}
export interface Filesystem {
path?: (string | null)
device: string
format?: (string | null)
options?: string[]
mountOptions?: string[]
wipeFilesystem?: (boolean | null)
label?: (string | null)
uuid?: (string | null)
}
export interface Node {
path: string
overwrite?: (boolean | null)
user?: {
id?: (number | null)
name?: (string | null)
}
group?: {
id?: (number | null)
name?: (string | null)
}
}
export interface Systemd {
units?: Unit[]
}
export interface Unit {
name: string
enabled?: (boolean | null)
mask?: (boolean | null)
contents?: (string | null)
dropins?: Dropin[]
}
export interface Dropin {
name: string
contents?: (string | null)
}
export interface Passwd {
users?: User[]
groups?: Group[]
}
export interface User {
name: string
passwordHash?: (string | null)
sshAuthorizedKeys?: string[]
uid?: (number | null)
gecos?: (string | null)
homeDir?: (string | null)
noCreateHome?: (boolean | null)
primaryGroup?: (string | null)
groups?: string[]
noUserGroup?: (boolean | null)
system?: (boolean | null)
noLogInit?: (boolean | null)
shell?: (string | null)
shouldExist?: (boolean | null)
}
export interface Group {
name: string
gid?: (number | null)
passwordHash?: (string | null)
system?: (boolean | null)
shouldExist?: (boolean | null)
}
export interface KernelArguments {
shouldExist?: KernelArgument[]
shouldNotExist?: KernelArgument[]
}

/** Keys of a config, by section. */
export const KEYS: Keys = {
  ignition: {"config":{"merge":[{"compression":"string","httpHeaders":[{"name":"string","value":"string"}],"source":"string","verification":{"hash":"string"}}],"replace":{"compression":"string","httpHeaders":[{"name":"string","value":"string"}],"source":"string","verification":{"hash":"string"}}},"proxy":{"httpProxy":"string","httpsProxy":"string","noProxy":["string"]},"security":{"tls":{"certificateAuthorities":[{"compression":"string","httpHeaders":[{"name":"string","value":"string"}],"source":"string","verification":{"hash":"string"}}]}},"timeouts":{"httpResponseHeaders":"integer","httpTotal":"integer"},"version":"string"},
  kernelArguments: {"shouldExist":["string"],"shouldNotExist":["string"]},
  passwd: {"groups":[{"gid":"integer","name":"string","passwordHash":"string","shouldExist":"boolean","system":"boolean"}],"users":[{"gecos":"string","groups":["string"],"homeDir":"string","name":"string","noCreateHome":"boolean","noLogInit":"boolean","noUserGroup":"boolean","passwordHash":"string","primaryGroup":"string","shell":"string","shouldExist":"boolean","sshAuthorizedKeys":["string"],"system":"boolean","uid":"integer"}]},
  storage: {"directories":[{"group":{"id":"integer","name":"string"},"mode":"integer","overwrite":"boolean","path":"string","user":{"id":"integer","name":"string"}}],"disks":[{"device":"string","partitions":[{"guid":"string","label":"string","number":"integer","resize":"boolean","shouldExist":"boolean","sizeMiB":"integer","startMiB":"integer","typeGuid":"string","wipePartitionEntry":"boolean"}],"wipeTable":"boolean"}],"files":[{"append":[{"compression":"string","httpHeaders":[{"name":"string","value":"string"}],"source":"string","verification":{"hash":"string"}}],"contents":{"compression":"string","httpHeaders":[{"name":"string","value":"string"}],"source":"string","verification":{"hash":"string"}},"group":{"id":"integer","name":"string"},"mode":"integer","overwrite":"boolean","path":"string","user":{"id":"integer","name":"string"}}],"filesystems":[{"device":"string","format":"string","label":"string","mountOptions":["string"],"options":["string"],"path":"string","uuid":"string","wipeFilesystem":"boolean"}],"links":[{"group":{"id":"integer","name":"string"},"hard":"boolean","overwrite":"boolean","path":"string","target":"string","user":{"id":"integer","name":"string"}}],"luks":[{"clevis":{"custom":{"config":"string","needsNetwork":"boolean","pin":"string"},"tang":[{"thumbprint":"string","url":"string"}],"threshold":"integer","tpm2":"boolean"},"device":"string","keyFile":{"compression":"string","httpHeaders":[{"name":"string","value":"string"}],"source":"string","verification":{"hash":"string"}},"label":"string","name":"string","options":["string"],"uuid":"string","wipeVolume":"boolean"}],"raid":[{"devices":["string"],"level":"string","name":"string","options":["string"],"spares":"integer"}]},
  systemd: {"units":[{"contents":"string","dropins":[{"contents":"string","name":"string"}],"enabled":"boolean","mask":"boolean","name":"string"}]},
};

/** The minor version of spec 3 that brought a key; a key that is not here is as old as the object that holds it. */
export const SINCE: Readonly<Record<string, number>> = {
  "ignition.config.merge.compression": 1,
  "ignition.config.merge.httpHeaders": 1,
  "ignition.config.replace.compression": 1,
  "ignition.config.replace.httpHeaders": 1,
  "ignition.proxy": 1,
  "ignition.security.tls.certificateAuthorities.compression": 1,
  "ignition.security.tls.certificateAuthorities.httpHeaders": 1,
  "storage.files.append.httpHeaders": 1,
  "storage.files.contents.httpHeaders": 1,
  "storage.filesystems.mountOptions": 1,
  "passwd.groups.shouldExist": 2,
  "passwd.users.shouldExist": 2,
  "storage.disks.partitions.resize": 2,
  "storage.luks": 2,
  "kernelArguments": 3
};
