/* Warnings of a boot in good order: why each is there, and that nothing is wrong. */

export interface Explained {
  /** Of `IDENTIFIER: MESSAGE`. */
  readonly pattern: RegExp;
  readonly reason: string;
  /** Where the message comes from: a file of the source, or a page. */
  readonly link: string;
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
    reason: 'the same, for modules that use its symbols',
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
    reason:
      'an image that was built without a module key; one with a key has signed modules (docs/kernel.md)',
    link: 'linux: kernel/module/signing.c',
  },
];

interface Entry {
  readonly MESSAGE?: string | readonly number[];
  readonly SYSLOG_IDENTIFIER?: string;
  readonly _COMM?: string;
}

/** Lines of `journalctl --output=json` that no entry explains, as `IDENTIFIER: MESSAGE`, and the reasons that were met. */
export function unexplained(
  json: string,
  explained: readonly Explained[] = EXPLAINED,
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
