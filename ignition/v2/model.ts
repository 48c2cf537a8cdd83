/** A decoded spec 2 config: the fields of 2.4, and the older ones that later versions replaced. */

export interface V2Verification {
  readonly hash?: string;
}
export interface V2Header {
  readonly name: string;
  readonly value: string;
}
export interface V2Resource {
  readonly source?: string;
  readonly compression?: string;
  readonly verification?: V2Verification;
  readonly httpHeaders?: readonly V2Header[];
}
export interface V2Owner {
  readonly id?: number;
  readonly name?: string;
}
export interface V2Node {
  readonly filesystem: string;
  readonly path: string;
  readonly user?: V2Owner;
  readonly group?: V2Owner;
  readonly overwrite?: boolean;
}
export interface V2File extends V2Node {
  readonly contents?: V2Resource;
  readonly mode?: number;
  readonly append?: boolean;
}
export interface V2Directory extends V2Node {
  readonly mode?: number;
}
export interface V2Link extends V2Node {
  readonly hard?: boolean;
  readonly target: string;
}
export interface V2Partition {
  readonly label?: string;
  readonly number: number;
  /** 512-byte sectors. */
  readonly size?: number;
  /** 512-byte sectors. */
  readonly start?: number;
  readonly sizeMiB?: number;
  readonly startMiB?: number;
  readonly typeGuid?: string;
  readonly guid?: string;
  readonly shouldExist?: boolean;
  readonly wipePartitionEntry?: boolean;
}
export interface V2Mount {
  readonly device: string;
  readonly format: string;
  readonly create?: { readonly force?: boolean; readonly options?: readonly string[] };
  readonly wipeFilesystem?: boolean;
  readonly label?: string;
  readonly uuid?: string;
  readonly options?: readonly string[];
}
export interface V2Filesystem {
  readonly name: string;
  readonly mount?: V2Mount;
  /** Where it is mounted already, in the initramfs. */
  readonly path?: string;
}
export interface V2Account {
  readonly uid?: number;
  readonly gecos?: string;
  readonly homeDir?: string;
  readonly noCreateHome?: boolean;
  readonly primaryGroup?: string;
  readonly groups?: readonly string[];
  readonly noUserGroup?: boolean;
  readonly system?: boolean;
  readonly noLogInit?: boolean;
  readonly shell?: string;
}
export interface V2User extends V2Account {
  readonly name: string;
  readonly passwordHash?: string;
  readonly sshAuthorizedKeys?: readonly string[];
  readonly create?: V2Account;
}
export interface V2Group {
  readonly name: string;
  readonly gid?: number;
  readonly passwordHash?: string;
  readonly system?: boolean;
}
export interface V2Dropin {
  readonly name: string;
  readonly contents?: string;
}
export interface V2Unit {
  readonly name: string;
  readonly enable?: boolean;
  readonly enabled?: boolean;
  readonly mask?: boolean;
  readonly contents?: string;
  readonly dropins?: readonly V2Dropin[];
}
export interface V2Config {
  readonly ignition?: {
    readonly version: string;
    readonly config?: { readonly append?: readonly V2Resource[]; readonly replace?: V2Resource };
    readonly timeouts?: { readonly httpResponseHeaders?: number; readonly httpTotal?: number };
    readonly security?: { readonly tls?: { readonly certificateAuthorities?: readonly V2Resource[] } };
    readonly proxy?: {
      readonly httpProxy?: string;
      readonly httpsProxy?: string;
      readonly noProxy?: readonly string[];
    };
  };
  readonly storage?: {
    readonly disks?: readonly {
      readonly device: string;
      readonly wipeTable?: boolean;
      readonly partitions?: readonly V2Partition[];
    }[];
    readonly raid?: readonly {
      readonly name: string;
      readonly level: string;
      readonly devices?: readonly string[];
      readonly spares?: number;
      readonly options?: readonly string[];
    }[];
    readonly filesystems?: readonly V2Filesystem[];
    readonly files?: readonly V2File[];
    readonly directories?: readonly V2Directory[];
    readonly links?: readonly V2Link[];
  };
  readonly systemd?: { readonly units?: readonly V2Unit[] };
  readonly networkd?: { readonly units?: readonly V2Unit[] };
  readonly passwd?: { readonly users?: readonly V2User[]; readonly groups?: readonly V2Group[] };
}
