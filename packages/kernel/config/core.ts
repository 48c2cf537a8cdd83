import type { ConfigGroup } from './group.ts';

/** What makes it a kernel that systemd, podman and OpenZFS run on. */
export const core: readonly ConfigGroup[] = [
  {
    name: 'identity',
    reason: '64 bits, compressed with zstd; nothing of the building machine is in it',
    builtin: '64BIT KERNEL_ZSTD CC_OPTIMIZE_FOR_PERFORMANCE',
    values: { DEFAULT_HOSTNAME: 'draisine' },
  },
  {
    name: 'expert',
    reason:
      'io_uring and other defaults can only be turned off so; what EXPERT would hide is then named here',
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
      'a tickless idle for a box that mostly waits, and a server’s rate of ticks otherwise (timers do not depend on it); PREEMPT_VOLUNTARY, since RCU of a preemptible kernel is GPL-only and ZFS could not use it',
    builtin:
      'NO_HZ_IDLE HIGH_RES_TIMERS PREEMPT_VOLUNTARY HZ_100 SMP RTC_CLASS RTC_DRV_CMOS RTC_INTF_DEV RTC_INTF_SYSFS',
    values: { NR_CPUS: 16 },
  },
  {
    name: 'fast paths',
    reason:
      'on wherever else Linux runs, and off in allnoconfig: branches that are patched instead of tested, slabs a processor keeps, queues of network cards that are bounded in bytes, packets of a card with one queue for all processors',
    builtin: 'JUMP_LABEL SLUB_CPU_PARTIAL PCPU_DEV_REFCNT BQL RPS',
  },
  {
    name: 'memory',
    reason:
      'reclaim under pressure; huge pages where a program asks for them; swap to zram or disk, compressed in memory first',
    builtin: `SWAP ZSWAP ZSWAP_COMPRESSOR_DEFAULT_ZSTD ZSMALLOC ZSWAP_ZPOOL_DEFAULT_ZSMALLOC COMPACTION TRANSPARENT_HUGEPAGE TRANSPARENT_HUGEPAGE_MADVISE
      HUGETLBFS SPARSEMEM_VMEMMAP KSM ZRAM_BACKEND_ZSTD ZRAM_DEF_COMP_ZSTD`,
    modules: 'ZRAM',
    off: 'COMPAT_BRK ZRAM_BACKEND_LZO',
    values: { DEFAULT_MMAP_MIN_ADDR: 65536 },
  },
  {
    name: 'modules',
    reason: 'drivers that not every box needs, and ZFS; not compressed, since /usr is',
    builtin: 'MODULES MODULE_UNLOAD',
  },
  {
    name: 'initrd',
    reason: 'the UKI carries one, compressed with zstd',
    builtin: 'BLK_DEV_INITRD RD_ZSTD DEVTMPFS DEVTMPFS_MOUNT',
  },
  {
    name: 'introspection',
    reason:
      'the running kernel says how it was configured (kernel.config compares it with the artifact); symbols for stack traces, file and line of a warning',
    builtin: 'IKCONFIG IKCONFIG_PROC KALLSYMS UNWINDER_ORC DEBUG_BUGVERBOSE',
  },
  {
    name: 'control groups',
    reason: 'what systemd and crun limit and account: all controllers of version 2, devices by BPF',
    builtin: `CGROUPS MEMCG BLK_CGROUP CGROUP_SCHED FAIR_GROUP_SCHED CFS_BANDWIDTH CGROUP_PIDS CGROUP_FREEZER CGROUP_HUGETLB
      CPUSETS CGROUP_DEVICE CGROUP_CPUACCT CGROUP_BPF CGROUP_MISC`,
    off: 'CPUSETS_V1 MEMCG_V1',
  },
  {
    name: 'namespaces',
    reason: 'containers, and the sandboxes of systemd services',
    builtin: 'NAMESPACES UTS_NS TIME_NS IPC_NS USER_NS PID_NS NET_NS',
  },
  {
    name: 'BPF',
    reason:
      'cgroup device filters need it; always compiled, for root only. No BTF: nothing in the image reads it (see kernel.md for its size)',
    builtin: 'BPF_SYSCALL BPF_JIT BPF_JIT_ALWAYS_ON BPF_UNPRIV_DEFAULT_OFF',
  },
  {
    name: 'file systems of the system',
    reason: '/usr, state, ESP, /etc and containers: there before any module can be loaded',
    builtin: `EROFS_FS EROFS_FS_XATTR EROFS_FS_POSIX_ACL EROFS_FS_SECURITY EROFS_FS_ZIP EROFS_FS_ZIP_ZSTD EXT4_FS EXT4_FS_POSIX_ACL
      EXT4_FS_SECURITY MISC_FILESYSTEMS OVERLAY_FS VFAT_FS FAT_DEFAULT_UTF8 TMPFS TMPFS_POSIX_ACL TMPFS_XATTR PROC_FS PROC_SYSCTL
      PROC_PAGE_MONITOR PROC_CHILDREN SYSFS CONFIGFS_FS AUTOFS_FS FUSE_FS INOTIFY_USER FANOTIFY NLS NLS_CODEPAGE_437
      NLS_ISO8859_1 NLS_ASCII NLS_UTF8 ISO9660_FS JOLIET`,
    modules: 'VIRTIO_FS',
    values: { NLS_DEFAULT: 'utf8' },
  },
  {
    name: 'verified /usr',
    reason: 'device mapper with dm-verity; signatures of root hashes for system extensions',
    builtin: `MD BLK_DEV_DM DM_VERITY DM_VERITY_VERIFY_ROOTHASH_SIG DM_VERITY_VERIFY_ROOTHASH_SIG_SECONDARY_KEYRING DM_UEVENT
      BLK_DEV_LOOP`,
    values: { BLK_DEV_LOOP_MIN_COUNT: 0 },
  },
  {
    name: 'partitions',
    reason: 'GPT on our disks, MBR on sticks people plug in',
    builtin: 'PARTITION_ADVANCED MSDOS_PARTITION EFI_PARTITION',
  },
  {
    name: 'cryptography',
    reason:
      'what dm-verity, ext4, erofs, signatures and dm-crypt call, with the processor’s instructions for it',
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
      'a fifth of the kernel’s start on an emulated machine; they look for faulty drivers of crypto accelerators, and here are none',
    builtin: 'CRYPTO_MANAGER_DISABLE_TESTS',
  },
];
