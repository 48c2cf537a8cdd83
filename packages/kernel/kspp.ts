import { badInput } from '../../sdk/lib/errors.ts';
import { parseConfig } from './kconfig.ts';

/**
 * The Kernel Self-Protection Project's recommended settings for x86-64, by their names in Linux 6.12
 * (https://kspp.github.io/Recommended_Settings). `n` stands for off or not there.
 */
export const RECOMMENDED: Readonly<Record<string, string>> = {
  ...all(
    'y',
    `BUG STRICT_KERNEL_RWX STRICT_MODULE_RWX DEBUG_WX STACKPROTECTOR STACKPROTECTOR_STRONG SYN_COOKIES DEBUG_NOTIFIERS
    LIST_HARDENED DEBUG_SG DEBUG_VIRTUAL BUG_ON_DATA_CORRUPTION SCHED_STACK_END_CHECK SECCOMP SECCOMP_FILTER SECURITY
    SECURITY_YAMA SECURITY_LANDLOCK SECURITY_LOCKDOWN_LSM SECURITY_LOCKDOWN_LSM_EARLY LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY
    HARDENED_USERCOPY SLAB_FREELIST_RANDOM SLAB_FREELIST_HARDENED RANDOM_KMALLOC_CACHES SHUFFLE_PAGE_ALLOCATOR SLUB_DEBUG
    INIT_ON_ALLOC_DEFAULT_ON INIT_ON_FREE_DEFAULT_ON INIT_STACK_ALL_ZERO VMAP_STACK FORTIFY_SOURCE SECURITY_DMESG_RESTRICT
    UBSAN UBSAN_TRAP UBSAN_BOUNDS KFENCE PAGE_TABLE_CHECK PAGE_TABLE_CHECK_ENFORCED RANDOMIZE_KSTACK_OFFSET_DEFAULT WERROR EFI_DISABLE_PCI_DMA IOMMU_SUPPORT
    IOMMU_DEFAULT_DMA_STRICT HW_RANDOM_TPM SCHED_CORE ZERO_CALL_USED_REGS
    RESET_ATTACK_MITIGATION STATIC_USERMODEHELPER PANIC_ON_OOPS MODULE_SIG MODULE_SIG_FORCE MODULE_SIG_SHA512 MODULE_SIG_ALL
    GCC_PLUGINS GCC_PLUGIN_LATENT_ENTROPY GCC_PLUGIN_STACKLEAK RANDSTRUCT_FULL RANDOMIZE_BASE RANDOMIZE_MEMORY
    LEGACY_VSYSCALL_NONE MITIGATION_PAGE_TABLE_ISOLATION MITIGATION_SLS INTEL_IOMMU INTEL_IOMMU_DEFAULT_ON INTEL_IOMMU_SVM
    AMD_IOMMU CFI_CLANG`,
  ),
  ...all(
    'n',
    `DEVMEM LDISC_AUTOLOAD SECURITY_SELINUX_BOOTPARAM SECURITY_SELINUX_DEVELOP ACPI_CUSTOM_METHOD COMPAT_BRK PROC_KCORE
    COMPAT_VDSO KEXEC KEXEC_FILE HIBERNATION INET_DIAG BINFMT_MISC LEGACY_PTYS LEGACY_TIOCSTI MODULES UBSAN_SHIFT UBSAN_DIV_ZERO
    UBSAN_UNREACHABLE UBSAN_BOOL UBSAN_ENUM UBSAN_ALIGNMENT X86_MSR X86_VSYSCALL_EMULATION COMPAT IA32_EMULATION X86_X32_ABI
    MODIFY_LDT_SYSCALL CFI_PERMISSIVE SLAB_MERGE_DEFAULT`,
  ),
  DEFAULT_MMAP_MIN_ADDR: '65536',
  PANIC_TIMEOUT: '-1',
};

function all(value: string, options: string): Record<string, string> {
  return Object.fromEntries(options.split(/\s+/).map((option) => [option, value]));
}

/** Options that are not as recommended, why, and what that leaves open. */
export interface Deviation {
  readonly options: string;
  readonly reason: string;
  /** What is less protected for it. */
  readonly cost: string;
}

/** Where our configuration differs from what is recommended, each with its reason. */
export const deviations: readonly Deviation[] = [
  {
    options: 'MODULES MODULE_SIG_ALL',
    reason:
      'ZFS is a module, and drivers differ from box to box; the build signs them itself, after stripping',
    cost: 'code of ours can be loaded later than boot; nobody else’s',
  },
  {
    options: 'LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY',
    reason:
      'integrity where Secure Boot is on, as Debian’s patch does it; without Secure Boot lockdown would promise what it cannot keep',
    cost: 'root may read kernel memory through perf and BPF',
  },
  {
    options: 'INIT_ON_FREE_DEFAULT_ON ZERO_CALL_USED_REGS GCC_PLUGIN_STACKLEAK',
    reason:
      'memory is zeroed when it is given out, and stack variables are; doing it a second time costs throughput on four slow cores',
    cost: 'stale data lives until its memory is used again. init_on_free=1 on the command line turns the first on',
  },
  {
    options: 'DEBUG_VIRTUAL SLUB_DEBUG KFENCE PAGE_TABLE_CHECK PAGE_TABLE_CHECK_ENFORCED',
    reason:
      'checks in the hottest paths, each entry of a page table among them, or 2 MiB and sampling on a box where nobody reads the report',
    cost: 'some overflows are not noticed',
  },
  {
    options: 'IOMMU_DEFAULT_DMA_STRICT',
    reason: 'invalidation in batches: one each packet costs several percent of 4 × 2.5 GbE',
    cost: 'a device may reach a buffer for up to 10 ms after it was given back. iommu.strict=1 turns it on',
  },
  {
    options: 'STATIC_USERMODEHELPER',
    reason:
      'needs a helper that decides what the kernel may start; core dumps and request-key do without one',
    cost: 'who can write kernel memory can choose a program that the kernel starts as root',
  },
  {
    options: 'WERROR',
    reason: 'a warning in a security update of Debian’s must not keep it from being built',
    cost: 'none at run time',
  },
  {
    options: 'GCC_PLUGINS GCC_PLUGIN_LATENT_ENTROPY RANDSTRUCT_FULL CFI_CLANG',
    reason:
      'the seed of a layout that is rebuilt bit for bit is public, and protects nothing; Debian compiles its kernel with gcc, and so do we',
    cost: 'indirect calls are guarded by IBT alone',
  },
  {
    options: 'INTEL_IOMMU_SVM AMD_IOMMU',
    reason: 'no N100 box has a device that shares page tables, or an AMD processor; QEMU’s IOMMU is Intel’s',
    cost: 'none here',
  },
  {
    options: 'MITIGATION_CALL_DEPTH_TRACKING',
    reason: 'for Skylake, and pads every function; Skylake gets IBRS instead',
    cost: 'none on other processors',
  },
  {
    options: 'INET_DIAG',
    reason: 'ss(8) asks through it; the fault that the recommendation is about was mended in 4.1',
    cost: 'a module that loads when root asks for sockets',
  },
  {
    options: 'PANIC_TIMEOUT',
    reason: 'ten seconds to read a panic on a screen, then the same reboot',
    cost: 'none',
  },
];

/**
 * The mitigations that this kernel offers, whichever release brought them: Kconfig turns them on by itself, but not for
 * allnoconfig, and what a security update adds must not stay off unseen.
 */
function mitigations(config: string): Record<string, string> {
  const offered = [...config.matchAll(/^(?:# )?CONFIG_(MITIGATION_\w+)[= ]/gm)];
  return Object.fromEntries(offered.map(([, option = '']) => [option, 'y']));
}

/**
 * Compares a .config with the recommendation. A deviation without a reason, and a reason for what does not deviate, is
 * badInput naming each. Returns what stands open.
 */
export function checkHardening(config: string, known: readonly Deviation[] = deviations): readonly string[] {
  const got = parseConfig(config);
  const recommended = { ...RECOMMENDED, ...mitigations(config) };
  const open = Object.entries(recommended).flatMap(([option, value]) =>
    (got.get(option) ?? 'n') === value ? [] : [option],
  );
  const named = known.flatMap(({ options }) => options.split(/\s+/));
  const faults = [
    ...open
      .filter((option) => !named.includes(option))
      .map((option) => `${option} is ${got.get(option) ?? 'n'}, recommended is ${recommended[option]}`),
    ...named
      .filter((option) => !open.includes(option))
      .map((option) => `${option} is as recommended, or not on the list: its reason is out of date`),
  ];
  if (faults.length === 0) return open;
  throw badInput(
    `the kernel's hardening is not what packages/kernel/kspp.ts says\n  ${faults.join('\n  ')}`,
    {
      where: 'packages/kernel/config/hardening.ts',
      hint: 'follow the recommendation, or name the deviation with its reason and cost',
    },
  );
}
