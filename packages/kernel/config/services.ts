import type { ConfigGroup } from './group.ts';

/** Options for containers, storage and networks of a box. */
export const services: readonly ConfigGroup[] = [
  {
    name: 'sockets',
    reason: 'every program needs the protocols; ss(8) needs the diagnostic interfaces',
    builtin: `NET PACKET UNIX INET IP_MULTICAST IP_ADVANCED_ROUTER IP_MULTIPLE_TABLES IP_ROUTE_MULTIPATH SYN_COOKIES IPV6
      IPV6_ROUTER_PREF IPV6_ROUTE_INFO IPV6_MULTIPLE_TABLES TCP_CONG_ADVANCED TCP_CONG_CUBIC DEFAULT_CUBIC NET_L3_MASTER_DEV`,
    modules: 'PACKET_DIAG UNIX_DIAG INET_DIAG INET_UDP_DIAG NETLINK_DIAG TCP_CONG_BBR',
  },
  {
    name: 'queueing',
    reason: 'fq_codel is the default; a box that routes can shape traffic',
    builtin: 'NET_SCHED NET_SCH_FQ_CODEL NET_SCH_DEFAULT DEFAULT_FQ_CODEL NET_CLS NET_CLS_ACT',
    modules: 'NET_SCH_FQ NET_SCH_CAKE NET_SCH_HTB NET_SCH_INGRESS NET_CLS_U32 NET_CLS_BPF NET_ACT_MIRRED',
  },
  {
    name: 'links',
    reason:
      'every container uses bridges and veth pairs; bonds, VLANs and tunnels are modules for those who configure them',
    builtin: 'BRIDGE BRIDGE_VLAN_FILTERING BRIDGE_IGMP_SNOOPING VETH TUN',
    modules: 'VLAN_8021Q BONDING DUMMY MACVLAN MACVTAP IPVLAN VXLAN WIREGUARD NET_VRF',
  },
  {
    name: 'netfilter',
    reason:
      'expressions that netavark and our firewall use are built in; the other expressions of nft(8) are modules',
    builtin: `NETFILTER NETFILTER_ADVANCED NETFILTER_INGRESS NETFILTER_EGRESS NF_CONNTRACK NF_CONNTRACK_MARK NF_CONNTRACK_EVENTS
      NF_CT_NETLINK NF_TABLES NF_TABLES_INET NF_TABLES_IPV4 NF_TABLES_IPV6 NF_TABLES_NETDEV NFT_CT NFT_NAT NFT_MASQ NFT_REJECT
      NFT_FIB_INET NFT_FIB_IPV4 NFT_FIB_IPV6 NFT_LIMIT`,
    modules: `NF_CONNTRACK_FTP NF_CONNTRACK_TFTP NF_CONNTRACK_BRIDGE BRIDGE_NETFILTER NF_TABLES_BRIDGE NFT_LOG NFT_REDIR NFT_QUOTA
      NFT_NUMGEN NFT_HASH NFT_CONNLIMIT NFT_SOCKET NFT_TPROXY NFT_FLOW_OFFLOAD NF_FLOW_TABLE NF_FLOW_TABLE_INET NF_LOG_SYSLOG
      NETFILTER_NETLINK_LOG NETFILTER_NETLINK_QUEUE`,
    off: 'NF_CONNTRACK_PROCFS',
  },
  {
    name: 'iptables in containers',
    reason:
      'many container images have iptables-nft, which needs these matches and targets; the legacy tables are left out',
    modules: `NETFILTER_XTABLES NFT_COMPAT NETFILTER_XT_MARK NETFILTER_XT_NAT NETFILTER_XT_TARGET_MASQUERADE
      NETFILTER_XT_TARGET_REDIRECT NETFILTER_XT_TARGET_TCPMSS NETFILTER_XT_MATCH_ADDRTYPE NETFILTER_XT_MATCH_COMMENT
      NETFILTER_XT_MATCH_CONNTRACK NETFILTER_XT_MATCH_LIMIT NETFILTER_XT_MATCH_MULTIPORT NETFILTER_XT_MATCH_STATE
      NETFILTER_XT_CONNMARK NETFILTER_XT_TARGET_LOG NETFILTER_XT_MATCH_OWNER NETFILTER_XT_MATCH_PHYSDEV NETFILTER_XT_MATCH_RECENT
      NETFILTER_XT_MATCH_STATISTIC NETFILTER_XT_SET IP_SET IP_SET_HASH_IP IP_SET_HASH_NET IP_NF_IPTABLES IP_NF_TARGET_REJECT
      IP6_NF_IPTABLES IP6_NF_TARGET_REJECT`,
  },
  {
    name: 'file systems of the owner',
    reason: 'for file systems that Ignition makes, for disks that owners plug in, and for system extensions',
    modules: 'XFS_FS BTRFS_FS EXFAT_FS NTFS3_FS SQUASHFS',
    builtin: 'XFS_POSIX_ACL BTRFS_FS_POSIX_ACL SQUASHFS_XATTR SQUASHFS_ZSTD SQUASHFS_XZ SQUASHFS_ZLIB',
  },
  {
    name: 'volumes',
    reason: 'LUKS, and the software RAID that Ignition makes',
    builtin: 'DM_CRYPT',
    modules: 'BLK_DEV_MD MD_RAID0 MD_RAID1 MD_RAID10 MD_RAID456 DM_INTEGRITY',
  },
  {
    name: 'NFS',
    reason: 'a NAS serves and mounts NFS, versions 3 and 4',
    builtin: 'NETWORK_FILESYSTEMS NFS_V4_1 NFS_V4_2 NFSD_V4 NFS_V3_ACL NFSD_V3_ACL',
    modules: 'NFS_FS NFS_V3 NFS_V4 NFSD',
  },
  {
    name: 'SMB client',
    reason: 'a box mounts shares of other machines; mount(2) works without mount.cifs',
    modules: 'CIFS',
  },
  {
    name: 'iSCSI target',
    reason:
      'zvols and files become disks of other machines. (SMB needs no server in the kernel: Samba serves it. Samba needs leases, ACLs and xattrs, which this kernel has.)',
    modules: 'TARGET_CORE TCM_IBLOCK TCM_FILEIO ISCSI_TARGET',
  },
  {
    name: 'virtual machines',
    reason: 'KVM on Intel, with fast network and sockets for guests; QEMU shares folders with its guests',
    builtin: 'VIRTUALIZATION VHOST_MENU',
    modules: 'KVM KVM_INTEL VHOST_NET VHOST_VSOCK VSOCKETS VIRTIO_VSOCKETS NET_9P NET_9P_VIRTIO 9P_FS',
  },
];
