import type { ConfigGroup } from './group.ts';

/** What containers, storage and networks of a box need. */
export const services: readonly ConfigGroup[] = [
  {
    name: 'sockets',
    reason: 'the protocols of everything, and what ss(8) asks',
    builtin: `NET PACKET UNIX INET IP_MULTICAST IP_ADVANCED_ROUTER IP_MULTIPLE_TABLES IP_ROUTE_MULTIPATH SYN_COOKIES IPV6
      IPV6_ROUTER_PREF IPV6_ROUTE_INFO IPV6_MULTIPLE_TABLES TCP_CONG_ADVANCED TCP_CONG_CUBIC DEFAULT_CUBIC NET_L3_MASTER_DEV`,
    modules: 'PACKET_DIAG UNIX_DIAG INET_DIAG INET_UDP_DIAG NETLINK_DIAG TCP_CONG_BBR',
  },
  {
    name: 'queueing',
    reason: 'fq_codel by default; shaping for a box that routes',
    builtin: 'NET_SCHED NET_SCH_FQ_CODEL NET_SCH_DEFAULT DEFAULT_FQ_CODEL NET_CLS NET_CLS_ACT',
    modules: 'NET_SCH_FQ NET_SCH_CAKE NET_SCH_HTB NET_SCH_INGRESS NET_CLS_U32 NET_CLS_BPF NET_ACT_MIRRED',
  },
  {
    name: 'links',
    reason:
      'bridges and pairs are every container’s; the rest on request: four ports in a bond, VLANs, tunnels',
    builtin: 'BRIDGE BRIDGE_VLAN_FILTERING BRIDGE_IGMP_SNOOPING VETH TUN',
    modules: 'VLAN_8021Q BONDING DUMMY MACVLAN MACVTAP IPVLAN VXLAN WIREGUARD NET_VRF',
  },
  {
    name: 'netfilter',
    reason: 'the expressions that netavark and our firewall use are built in, the rest of nft(8) is modules',
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
      'iptables-nft, which many images bring, asks for these matches and targets; the legacy tables are not there',
    modules: `NETFILTER_XTABLES NFT_COMPAT NETFILTER_XT_MARK NETFILTER_XT_NAT NETFILTER_XT_TARGET_MASQUERADE
      NETFILTER_XT_TARGET_REDIRECT NETFILTER_XT_TARGET_TCPMSS NETFILTER_XT_MATCH_ADDRTYPE NETFILTER_XT_MATCH_COMMENT
      NETFILTER_XT_MATCH_CONNTRACK NETFILTER_XT_MATCH_LIMIT NETFILTER_XT_MATCH_MULTIPORT NETFILTER_XT_MATCH_STATE
      NETFILTER_XT_CONNMARK NETFILTER_XT_TARGET_LOG NETFILTER_XT_MATCH_OWNER NETFILTER_XT_MATCH_PHYSDEV NETFILTER_XT_MATCH_RECENT
      NETFILTER_XT_MATCH_STATISTIC NETFILTER_XT_SET IP_SET IP_SET_HASH_IP IP_SET_HASH_NET IP_NF_IPTABLES IP_NF_TARGET_REJECT
      IP6_NF_IPTABLES IP6_NF_TARGET_REJECT`,
  },
  {
    name: 'file systems of the owner',
    reason: 'what Ignition makes, what comes on disks people plug in, system extensions',
    modules: 'XFS_FS BTRFS_FS EXFAT_FS NTFS3_FS SQUASHFS',
    builtin: 'XFS_POSIX_ACL BTRFS_FS_POSIX_ACL SQUASHFS_XATTR SQUASHFS_ZSTD SQUASHFS_XZ SQUASHFS_ZLIB',
  },
  {
    name: 'volumes',
    reason: 'LUKS, software RAID as Ignition makes it',
    builtin: 'DM_CRYPT',
    modules: 'BLK_DEV_MD MD_RAID0 MD_RAID1 MD_RAID10 MD_RAID456 DM_INTEGRITY',
  },
  {
    name: 'NFS',
    reason: 'the NAS: version 3 and 4, server and client',
    builtin: 'NETWORK_FILESYSTEMS NFS_V4_1 NFS_V4_2 NFSD_V4 NFS_V3_ACL NFSD_V3_ACL',
    modules: 'NFS_FS NFS_V3 NFS_V4 NFSD',
  },
  {
    name: 'SMB client',
    reason: 'shares of other machines; mount(2) does without mount.cifs',
    modules: 'CIFS',
  },
  {
    name: 'iSCSI target',
    reason:
      'zvols and files as disks of other machines. (SMB is Samba’s: it needs leases, ACLs and xattrs, which are here.)',
    modules: 'TARGET_CORE TCM_IBLOCK TCM_FILEIO ISCSI_TARGET',
  },
  {
    name: 'virtual machines',
    reason: 'KVM on Intel, with fast network and sockets; folders shared with QEMU’s guests',
    builtin: 'VIRTUALIZATION VHOST_MENU',
    modules: 'KVM KVM_INTEL VHOST_NET VHOST_VSOCK VSOCKETS VIRTIO_VSOCKETS NET_9P NET_9P_VIRTIO 9P_FS',
  },
];
