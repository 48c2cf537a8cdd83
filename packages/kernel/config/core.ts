import type { ConfigGroup } from './group.ts';

/** The options that systemd, podman and OpenZFS need. */
export const core: readonly ConfigGroup[] = [
  {
    name: 'identity',
    reason: 'a 64-bit kernel, compressed with zstd; it contains nothing of the building machine',
    builtin: '64BIT KERNEL_ZSTD CC_OPTIMIZE_FOR_PERFORMANCE',
    values: { DEFAULT_HOSTNAME: 'draisine' },
  },
  {
    name: 'expert',
    reason:
      'io_uring and other defaults can only be turned off with EXPERT; the options that EXPERT hides are named here',
    builtin: `EXPERT MULTIUSER POSIX_TIMERS PRINTK BUG ELF_CORE FUTEX EPOLL SIGNALFD TIMERFD EVENTFD SHMEM AIO
      ADVISE_SYSCALLS MEMBARRIER KCMP RSEQ FHANDLE MEMFD_CREATE VM_EVENT_COUNTERS FILE_LOCKING COREDUMP
      TTY VT VT_CONSOLE UNIX98_PTYS CONSOLE_TRANSLATIONS BLOCK PCI_QUIRKS DMI DMIID MTRR X86_PAT X86_UMIP
      CPU_SUP_INTEL CPU_SUP_AMD INPUT X86_PM_TIMER`,
  },
  {
    name: 'processes',
    reason:
      'System V IPC and message queues for programs in containers, accounting for systemd-oomd and cgroups',
    builtin: `SYSVIPC POSIX_MQUEUE CROSS_MEMORY_ATTACH BINFMT_ELF BINFMT_SCRIPT PSI TASKSTATS TASK_DELAY_ACCT TASK_XACCT
      TASK_IO_ACCOUNTING SCHED_CORE SCHED_MC`,
  },
  {
    name: 'time and scheduling',
    reason:
      'no ticks while the processor is idle, because a box mostly waits; otherwise the tick rate of a server (timers do not depend on it). PREEMPT_VOLUNTARY, because RCU of a preemptible kernel is GPL-only, so ZFS could not use it',
    builtin:
      'NO_HZ_IDLE HIGH_RES_TIMERS PREEMPT_VOLUNTARY HZ_100 SMP RTC_CLASS RTC_DRV_CMOS RTC_INTF_DEV RTC_INTF_SYSFS',
    values: { NR_CPUS: 16 },
  },
  {
    name: 'fast paths',
    reason:
      'other kernels have these options, but allnoconfig turns them off: patched branches, slabs for each processor, byte limits for queues of network cards, and spreading the packets of a card with one queue over all processors',
    builtin: 'JUMP_LABEL SLUB_CPU_PARTIAL PCPU_DEV_REFCNT BQL RPS',
  },
  {
    name: 'memory',
    reason:
      'memory is reclaimed under pressure; programs may ask for huge pages; swap goes to zram or disk, and is compressed in memory first',
    builtin: `SWAP ZSWAP ZSWAP_COMPRESSOR_DEFAULT_ZSTD ZSMALLOC ZSWAP_ZPOOL_DEFAULT_ZSMALLOC COMPACTION TRANSPARENT_HUGEPAGE TRANSPARENT_HUGEPAGE_MADVISE
      HUGETLBFS SPARSEMEM_VMEMMAP KSM ZRAM_BACKEND_ZSTD ZRAM_DEF_COMP_ZSTD`,
    modules: 'ZRAM',
    off: 'COMPAT_BRK ZRAM_BACKEND_LZO',
    values: { DEFAULT_MMAP_MIN_ADDR: 65536 },
  },
  {
    name: 'modules',
    reason: 'for ZFS, and for drivers that not every box needs; not compressed, because /usr is compressed',
    builtin: 'MODULES MODULE_UNLOAD',
  },
  {
    name: 'initrd',
    reason: 'the UKI contains an initrd, compressed with zstd',
    builtin: 'BLK_DEV_INITRD RD_ZSTD DEVTMPFS DEVTMPFS_MOUNT',
  },
  {
    name: 'introspection',
    reason:
      'the running kernel shows its configuration (the test kernel.config compares it with the artifact); stack traces have symbols, and warnings have file and line',
    builtin: 'IKCONFIG IKCONFIG_PROC KALLSYMS UNWINDER_ORC DEBUG_BUGVERBOSE',
  },
  {
    name: 'control groups',
    reason:
      'systemd and crun use them for limits and accounting: all controllers of version 2, and BPF for devices',
    builtin: `CGROUPS MEMCG BLK_CGROUP CGROUP_SCHED FAIR_GROUP_SCHED CFS_BANDWIDTH CGROUP_PIDS CGROUP_FREEZER CGROUP_HUGETLB
      CPUSETS CGROUP_DEVICE CGROUP_CPUACCT CGROUP_BPF CGROUP_MISC`,
    off: 'CPUSETS_V1 MEMCG_V1',
  },
  {
    name: 'namespaces',
    reason: 'containers and the sandboxes of systemd services need them',
    builtin: 'NAMESPACES UTS_NS TIME_NS IPC_NS USER_NS PID_NS NET_NS',
  },
  {
    name: 'BPF',
    reason:
      'cgroup device filters need it. Programs are always compiled, and only root may load them. No BTF, because nothing in the image reads it (docs/kernel.md has its size)',
    builtin: 'BPF_SYSCALL BPF_JIT BPF_JIT_ALWAYS_ON BPF_UNPRIV_DEFAULT_OFF',
  },
  {
    name: 'file systems of the system',
    reason: '/usr, the state partition, the ESP, /etc and containers need them before a module can be loaded',
    builtin: `EROFS_FS EROFS_FS_XATTR EROFS_FS_POSIX_ACL EROFS_FS_SECURITY EROFS_FS_ZIP EROFS_FS_ZIP_ZSTD EXT4_FS EXT4_FS_POSIX_ACL
      EXT4_FS_SECURITY MISC_FILESYSTEMS OVERLAY_FS VFAT_FS FAT_DEFAULT_UTF8 TMPFS TMPFS_POSIX_ACL TMPFS_XATTR PROC_FS PROC_SYSCTL
      PROC_PAGE_MONITOR PROC_CHILDREN SYSFS CONFIGFS_FS AUTOFS_FS FUSE_FS INOTIFY_USER FANOTIFY NLS NLS_CODEPAGE_437
      NLS_ISO8859_1 NLS_ASCII NLS_UTF8 ISO9660_FS JOLIET`,
    modules: 'VIRTIO_FS',
    values: { NLS_DEFAULT: 'utf8' },
  },
  {
    name: 'verified /usr',
    reason: '/usr needs the device mapper with dm-verity; system extensions need signatures of root hashes',
    builtin: `MD BLK_DEV_DM DM_VERITY DM_VERITY_VERIFY_ROOTHASH_SIG DM_VERITY_VERIFY_ROOTHASH_SIG_SECONDARY_KEYRING DM_UEVENT
      BLK_DEV_LOOP`,
    values: { BLK_DEV_LOOP_MIN_COUNT: 0 },
  },
  {
    name: 'partitions',
    reason: 'our disks have a GPT, and sticks of owners may have an MBR',
    builtin: 'PARTITION_ADVANCED MSDOS_PARTITION EFI_PARTITION',
  },
  {
    name: 'cryptography',
    reason:
      'dm-verity, ext4, erofs, signatures and dm-crypt call these algorithms; the variants with instructions of the processor are included',
    builtin: `CRYPTO CRYPTO_AES CRYPTO_AES_NI_INTEL CRYPTO_XTS CRYPTO_CBC CRYPTO_ECB CRYPTO_GCM CRYPTO_HMAC CRYPTO_SHA256
      CRYPTO_SHA512 CRYPTO_SHA256_SSSE3 CRYPTO_SHA512_SSSE3 CRYPTO_CRC32C_INTEL CRYPTO_CRC32_PCLMUL CRYPTO_GHASH_CLMUL_NI_INTEL
      CRYPTO_ZSTD CRYPTO_DEFLATE ZLIB_DEFLATE ZLIB_INFLATE KEYS ASYMMETRIC_KEY_TYPE ASYMMETRIC_PUBLIC_KEY_SUBTYPE
      CRYPTO_ESSIV X509_CERTIFICATE_PARSER PKCS7_MESSAGE_PARSER SYSTEM_TRUSTED_KEYRING SECONDARY_TRUSTED_KEYRING`,
    modules: `CRYPTO_SHA1_SSSE3 CRYPTO_SHA3 CRYPTO_BLAKE2B CRYPTO_XXHASH CRYPTO_CTS CRYPTO_CMAC CRYPTO_CCM
      CRYPTO_USER_API_HASH CRYPTO_USER_API_SKCIPHER CRYPTO_ADIANTUM`,
  },
  {
    name: 'no self-tests of cryptography',
    reason:
      'the tests take a fifth of the kernel’s start on an emulated machine. They find faults in drivers of crypto accelerators, and the kernel has no such drivers',
    builtin: 'CRYPTO_MANAGER_DISABLE_TESTS',
  },
];
