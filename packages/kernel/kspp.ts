import { badInput } from '../../sdk/lib/errors.ts';
import { parseConfig } from './kconfig.ts';

/**
 * The Kernel Self-Protection Project's recommended settings for x86-64, by their names in Linux 6.12
 * (https://kspp.github.io/Recommended_Settings). `n`: off or missing.
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

/** An option that is not as recommended, with the reason and the cost. */
export interface Deviation {
  readonly options: string;
  readonly reason: string;
  /** The protection that is missing. */
  readonly cost: string;
}

/** The deviations of our configuration from the recommendation, each with its reason. */
export const deviations: readonly Deviation[] = [
  {
    options: 'MODULES MODULE_SIG_ALL',
    reason:
      'ZFS is a module, and drivers differ from box to box; the build signs them itself, after stripping',
    cost: 'modules with our signature can be loaded after the boot, and no others',
  },
  {
    options: 'LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY',
    reason:
      'Debian’s patch sets lockdown=integrity if Secure Boot is on; without Secure Boot, lockdown would not stop an attacker who changes the kernel',
    cost: 'root may read kernel memory through perf and BPF',
  },
  {
    options: 'INIT_ON_FREE_DEFAULT_ON ZERO_CALL_USED_REGS GCC_PLUGIN_STACKLEAK',
    reason:
      'memory is zeroed at its allocation, and so are stack variables; a second time costs throughput on four slow cores',
    cost: 'old data stays in free memory until it is used again. init_on_free=1 on the command line turns INIT_ON_FREE on',
  },
  {
    options: 'DEBUG_VIRTUAL SLUB_DEBUG KFENCE PAGE_TABLE_CHECK PAGE_TABLE_CHECK_ENFORCED',
    reason:
      'the checks are in the most used paths, such as each entry of a page table; KFENCE takes 2 MiB, and nobody reads its reports on a box',
    cost: 'some overflows are not noticed',
  },
  {
    options: 'IOMMU_DEFAULT_DMA_STRICT',
    reason:
      'the IOMMU is invalidated in batches; one invalidation for each packet costs several percent of 4 × 2.5 GbE',
    cost: 'a device can reach a buffer for up to 10 ms after its release. iommu.strict=1 turns the option on',
  },
  {
    options: 'STATIC_USERMODEHELPER',
    reason:
      'the option needs a helper that decides which programs the kernel may start; core dumps and request-key have no such helper',
    cost: 'an attacker who can write kernel memory can choose a program that the kernel starts as root',
  },
  {
    options: 'WERROR',
    reason: 'a compiler warning in a security update of Debian must not stop its build',
    cost: 'none at run time',
  },
  {
    options: 'GCC_PLUGINS GCC_PLUGIN_LATENT_ENTROPY RANDSTRUCT_FULL CFI_CLANG',
    reason:
      'a reproducible build has a public seed, so a random layout protects nothing; Debian compiles its kernel with gcc, and so do we',
    cost: 'only IBT guards indirect calls',
  },
  {
    options: 'INTEL_IOMMU_SVM AMD_IOMMU',
    reason:
      'no N100 box has an AMD processor, or a device that shares page tables; QEMU emulates Intel’s IOMMU',
    cost: 'none here',
  },
  {
    options: 'MITIGATION_CALL_DEPTH_TRACKING',
    reason: 'the option is for Skylake, and pads every function; Skylake gets IBRS instead',
    cost: 'none on other processors',
  },
  {
    options: 'INET_DIAG',
    reason: 'ss(8) uses it; Linux 4.1 fixed the fault behind the recommendation',
    cost: 'a module is loaded when root lists sockets',
  },
  {
    options: 'PANIC_TIMEOUT',
    reason: 'a person has ten seconds to read a panic on the screen before the reboot',
    cost: 'none',
  },
];

/**
 * All mitigations that this kernel offers. allnoconfig turns them off, although they are on by default. So a mitigation
 * that a security update adds must be found here.
 */
function mitigations(config: string): Record<string, string> {
  const offered = [...config.matchAll(/^(?:# )?CONFIG_(MITIGATION_\w+)[= ]/gm)];
  return Object.fromEntries(offered.map(([, option = '']) => [option, 'y']));
}

/**
 * Compares a .config with the recommendation. A deviation without a reason is badInput, and so is a reason without a
 * deviation. Returns the deviations.
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
