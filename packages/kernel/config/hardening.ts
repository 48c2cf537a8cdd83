import type { ConfigGroup } from './group.ts';

/** Settings that the Kernel Self-Protection Project recommends. kspp.ts lists the deviations. */
export const hardening: readonly ConfigGroup[] = [
  {
    name: 'memory protection',
    reason:
      'memory is either writable or executable, stacks are guarded, copies are checked, memory is randomized and zeroed',
    builtin: `STRICT_KERNEL_RWX STRICT_MODULE_RWX VMAP_STACK STACKPROTECTOR STACKPROTECTOR_STRONG FORTIFY_SOURCE HARDENED_USERCOPY
      SLAB_FREELIST_RANDOM SLAB_FREELIST_HARDENED RANDOM_KMALLOC_CACHES SLAB_BUCKETS SHUFFLE_PAGE_ALLOCATOR INIT_ON_ALLOC_DEFAULT_ON
      INIT_STACK_ALL_ZERO RANDOMIZE_BASE RANDOMIZE_MEMORY RANDOMIZE_KSTACK_OFFSET RANDOMIZE_KSTACK_OFFSET_DEFAULT LIST_HARDENED
      BUG_ON_DATA_CORRUPTION SCHED_STACK_END_CHECK RELOCATABLE RESET_ATTACK_MITIGATION EFI_DISABLE_PCI_DMA`,
    off: 'SLAB_MERGE_DEFAULT',
  },
  {
    name: 'self-checks',
    reason: 'cheap checks stop the kernel or the task when they find a fault, before an attacker can use it',
    builtin: 'DEBUG_WX DEBUG_NOTIFIERS DEBUG_SG UBSAN UBSAN_TRAP UBSAN_BOUNDS',
    off: 'UBSAN_SHIFT UBSAN_BOOL UBSAN_ENUM',
  },
  {
    name: 'less to attack',
    reason: 'the kernel lacks old and rarely used interfaces',
    off: `IO_URING MODIFY_LDT_SYSCALL X86_VSYSCALL_EMULATION X86_16BIT DEVMEM DEVPORT KEXEC KEXEC_FILE HIBERNATION LEGACY_TIOCSTI LDISC_AUTOLOAD
      IA32_EMULATION X86_X32_ABI USERFAULTFD LEGACY_PTYS PROC_KCORE COMPAT_VDSO BINFMT_MISC KPROBES
      DEBUG_FS`,
    builtin: 'LEGACY_VSYSCALL_NONE SECURITY_DMESG_RESTRICT SECURITY_PERF_EVENTS_RESTRICT',
  },
  {
    name: 'security modules',
    reason:
      'AppArmor for containers, Landlock and Yama for programs, lockdown if Secure Boot is on. The LSM bpf is left out, because it costs 8 s of an emulated boot',
    builtin: `SECURITY SECURITYFS SECURITY_NETWORK SECURITY_PATH SECURITY_YAMA SECURITY_LANDLOCK SECURITY_APPARMOR
      SECURITY_LOCKDOWN_LSM SECURITY_LOCKDOWN_LSM_EARLY LOCK_DOWN_IN_EFI_SECURE_BOOT LOCK_DOWN_KERNEL_FORCE_NONE SECCOMP
      SECCOMP_FILTER DEFAULT_SECURITY_APPARMOR AUDIT`,
    values: { LSM: 'landlock,lockdown,yama,apparmor' },
  },
  {
    name: 'signed modules',
    reason:
      'the kernel loads only modules that are signed with our key; `draisine keys` makes the key, not a build',
    builtin: 'MODULE_SIG MODULE_SIG_FORCE MODULE_SIG_SHA512 CRYPTO_RSA',
    off: 'MODULE_SIG_ALL',
    values: { MODULE_SIG_KEY: '', SYSTEM_TRUSTED_KEYS: '/build/certificate.pem' },
  },
  {
    name: 'faults',
    reason:
      'after an internal fault, the kernel restarts instead of continuing; a stuck kernel reports the place',
    builtin: 'PANIC_ON_OOPS MAGIC_SYSRQ SOFTLOCKUP_DETECTOR DETECT_HUNG_TASK',
    values: { PANIC_TIMEOUT: 10, MAGIC_SYSRQ_DEFAULT_ENABLE: '0x10' },
  },
];
