/* Warnings of a healthy boot, each with the reason why it is harmless. */

export interface Explained {
  /** Matches `IDENTIFIER: MESSAGE`. */
  readonly pattern: RegExp;
  readonly reason: string;
  /** The source of the message: a source file or a page. */
  readonly link: string;
  /** The condition under which the message is expected. */
  readonly where?: 'no module key';
}

export const EXPLAINED: readonly Explained[] = [
  {
    pattern:
      /^kernel: (spl|zfs): (loading out-of-tree module taints kernel\.|module license .* taints kernel\.)$/,
    reason: 'OpenZFS is under the CDDL and not part of Linux; the kernel marks itself as tainted by it',
    link: 'linux: kernel/module/main.c',
  },
  {
    pattern: /^kernel: zfs: module license taints kernel\.$/,
    reason: 'modules that use symbols of OpenZFS taint the kernel too',
    link: 'linux: kernel/module/main.c',
  },
  {
    pattern: /^kernel: Disabling lock debugging due to kernel taint$/,
    reason: 'follows the taint of OpenZFS; lock debugging is not built in',
    link: 'linux: kernel/panic.c',
  },
  {
    pattern:
      /^kernel: (spl|zfs): module verification failed: signature and\/or required key missing - tainting kernel$/,
    reason: 'Debian’s kernel does not trust our key, so ZFS has no valid signature there (docs/kernel.md)',
    link: 'linux: kernel/module/signing.c',
    where: 'no module key',
  },
  {
    pattern: /^kernel: ACPI: IRQ 4 override to edge\(!\), high\(!\)$/,
    reason:
      "the ACPI tables of QEMU's machine describe the serial port's interrupt incompletely; the port itself reports it",
    link: 'linux: arch/x86/kernel/acpi/boot.c, acpi_register_gsi',
  },
  {
    pattern: /^kernel: APIC calibration not consistent with PM-Timer: .*$/,
    reason: 'the host was busy while an emulated processor measured its clock; the kernel corrects it',
    link: 'linux: arch/x86/kernel/apic/apic.c, calibrate_by_pmtimer',
  },
  {
    pattern:
      /^kernel: GPT: ?(Primary header thinks Alt\. header is not at the end of the disk\.|\d+ != \d+|Alternate GPT header not at the end of the disk\.|Use GNU Parted to correct GPT errors\.)$/,
    reason:
      'the disk is larger than the image that was written to it; systemd-repart moves the second table to its end',
    link: 'linux: block/partitions/efi.c; docs/media.md',
  },
  {
    pattern: /^systemd: Failed to copy os-release for propagation, ignoring: No such file or directory$/,
    reason:
      'the initrd has initrd-release and no os-release; the copy is for services with a root of their own, of which it has none',
    link: 'systemd: src/core/main.c, setup_os_release',
  },
  {
    pattern:
      /^\(udev-worker\): eth\d: Process '\/usr\/lib\/systemd\/systemd-sysctl .*' failed with exit code 1\.$/,
    reason:
      'udev has given the card its lasting name while the rule for the first name ran; the rule runs again for that name',
    link: 'systemd: rules.d/99-systemd.rules.in',
  },
];

interface Entry {
  readonly MESSAGE?: string | readonly number[];
  readonly SYSLOG_IDENTIFIER?: string;
  readonly _COMM?: string;
}

/** The explanations for an image. `signed`: its kernel loads only modules that the image's key has signed. */
export function explainedFor({ signed }: { readonly signed: boolean }): Explained[] {
  return EXPLAINED.filter(({ where }) => where === undefined || !signed);
}

/**
 * `left`: messages of `journalctl --output=json` without an explanation, as `IDENTIFIER: MESSAGE`. `met`: the reasons
 * of the other messages.
 */
export function unexplained(
  json: string,
  explained: readonly Explained[],
): { readonly left: readonly string[]; readonly met: ReadonlySet<string> } {
  const left: string[] = [];
  const met = new Set<string>();
  for (const line of json.split('\n')) {
    if (line.trim() === '') continue;
    const { MESSAGE = '', SYSLOG_IDENTIFIER, _COMM } = JSON.parse(line) as Entry;
    // A message that is not UTF-8 comes as its bytes.
    const message = typeof MESSAGE === 'string' ? MESSAGE : Buffer.from(MESSAGE).toString('latin1');
    const text = `${SYSLOG_IDENTIFIER ?? _COMM ?? '?'}: ${message}`;
    const found = explained.find(({ pattern }) => pattern.test(text));
    if (found) met.add(found.reason);
    else left.push(text);
  }
  return { left: [...new Set(left)], met };
}
