/**
 * The modules that an image takes from Debian's kernel, which has about 4000. Their dependencies come with
 * them (modules.dep). They are grouped by purpose. All that n100's own kernel has is among them.
 */
const boot = [
  'erofs', 'dm_mod', 'dm_verity', 'ext4', 'overlay', 'loop', 'vfat', 'nls_ascii', 'nls_cp437', 'nls_iso8859_1', 'nls_utf8',
  'qemu_fw_cfg', 'efivarfs', 'autofs4', 'efi_pstore',
  // these are requested by algorithm name, which no dependency shows
  'crc32c_generic', 'crc32c_intel', 'sha256_ssse3',
]; // biome-ignore format: a word list

const storage = [
  'nvme', 'ahci', 'sd_mod', 'sr_mod', 'isofs', 'usb_storage', 'uas', 'xhci_pci', 'ehci_pci', 'sdhci_pci', 'sdhci_acpi', 'mmc_block',
  'virtio_blk', 'virtio_scsi', 'virtio_mmio',
  'ata_piix', 'ata_generic', 'vmd', 'mpt3sas', 'megaraid_sas', 'aacraid', 'smartpqi', 'hpsa', 'vmw_pvscsi', 'hv_storvsc',
  'xen_blkfront',
]; // biome-ignore format: a word list

const filesystems = [
  'xfs', 'btrfs', 'squashfs', 'exfat', 'ntfs3', '9p', '9pnet_virtio', 'dm_crypt', 'dm_integrity', 'raid0', 'raid1', 'raid456',
  'raid10', 'nfs', 'nfsv3', 'nfsv4', 'nfs_layout_nfsv41_files', 'nfs_layout_flexfiles', 'nfsd', 'cifs',
  'iscsi_target_mod', 'target_core_iblock', 'target_core_file',
]; // biome-ignore format: a word list

const network = [
  'igc', 'e1000', 'e1000e', 'igb', 'r8169', 'realtek', 'r8152', 'ax88179_178a', 'cdc_ether', 'cdc_ncm', 'virtio_net',
  'bonding', '8021q', 'bridge', 'br_netfilter', 'veth', 'tun', 'dummy', 'macvlan', 'macvtap', 'ipvlan', 'vxlan', 'wireguard',
  'nf_tables', 'nft_ct', 'nft_nat', 'nft_masq', 'nft_chain_nat', 'nft_reject', 'nft_reject_inet', 'nft_reject_ipv4', 'nft_reject_ipv6',
  'nft_fib', 'nft_fib_inet', 'nft_fib_ipv4', 'nft_fib_ipv6', 'nft_compat', 'nft_log', 'nft_limit', 'nft_redir', 'nft_quota', 'nft_socket',
  'nft_tproxy', 'nft_numgen', 'nft_hash', 'nft_connlimit', 'nf_log_syslog', 'nf_conntrack', 'nf_conntrack_netlink', 'nf_nat',
  'nf_conntrack_ftp', 'nf_nat_ftp', 'xt_MASQUERADE', 'xt_comment', 'xt_addrtype', 'xt_conntrack', 'xt_mark', 'xt_multiport', 'xt_nat',
  'sch_fq', 'sch_cake', 'sch_ingress', 'sch_htb', 'cls_u32', 'cls_bpf', 'act_mirred', 'tcp_bbr', 'tcp_diag', 'udp_diag', 'inet_diag',
  'unix_diag', 'netlink_diag', 'vsock', 'vmw_vsock_virtio_transport',
  'tg3', 'bnxt_en', 'ixgbe', 'ixgbevf', 'i40e', 'iavf', 'ice', 'igbvf', 'mlx4_en', 'mlx5_core', 'atlantic', 'alx', 'be2net',
  'vmxnet3', 'hv_netvsc', 'xen_netfront', 'ena', 'gve',
  'ipt_REJECT', 'ip6t_REJECT', 'xt_connmark', 'xt_LOG', 'xt_owner', 'xt_recent', 'xt_statistic', 'xt_physdev', 'xt_set',
  'ip_set_hash_ip', 'ip_set_hash_net', 'xt_REDIRECT', 'xt_TCPMSS', 'xt_limit', 'xt_state', 'xt_tcpudp',
  'nf_conntrack_bridge', 'nf_nat_tftp', 'nf_flow_table_inet', 'nft_flow_offload', 'nfnetlink_log', 'nfnetlink_queue', 'vrf',
  'af_packet_diag', 'r8153_ecm',
]; // biome-ignore format: a word list

const machine = [
  'button', 'thermal', 'fan', 'virtio_rng', 'virtio_balloon', 'i6300esb', 'iTCO_wdt', 'softdog', 'intel_rapl_msr', 'intel_rapl_common',
  'coretemp', 'x86_pkg_temp_thermal', 'intel_powerclamp', 'processor_thermal_device_pci', 'i2c_i801',
  'pinctrl_alderlake', 'hid_generic', 'usbhid', 'evdev', 'cdc_acm', 'ftdi_sio', 'cp210x', 'ch341', 'pl2303',
  'drivetemp', 'it87', 'nct6775', 'zram', 'configfs', 'intel_lpss_pci', 'intel_lpss_acpi', 'lpc_ich', 'i2c_dev', 'acpi_cpufreq',
  'int3400_thermal', 'int3401_thermal', 'int3402_thermal', 'int3403_thermal', 'processor_thermal_device_pci_legacy',
  'bfq', 'adiantum', 'virtio_input',
  'aesni_intel', 'xts', 'ecb', 'cts', 'essiv', 'blake2b_generic', 'xxhash_generic', 'crc32_pclmul', 'cmac', 'gcm', 'ccm', 'sha1_ssse3', 'ghash_clmulni_intel', 'crct10dif_pclmul', 'af_alg', 'algif_skcipher', 'algif_hash',
  'nvme_auth', 'ses', 'sg', 'nbd',
  'kvm_intel', 'kvm_amd', 'vhost_net', 'vhost_vsock', 'k10temp', 'sp5100_tco', 'i2c_piix4', 'hv_utils', 'hv_balloon', 'hid_hyperv',
]; // biome-ignore format: a word list

/** The kernel modules that `generic` takes from Debian's kernel, without their dependencies. */
export const modules: readonly string[] = [...boot, ...storage, ...filesystems, ...network, ...machine];

/** Modules that the initrd loads before /usr is mounted. */
export const initrdModules: readonly string[] = [...boot, ...storage, 'hid_generic', 'usbhid'];
