/** The sections of a PE file by name, the first of each: PE Format (Microsoft), COFF file header and section table. */
export function sectionsOf(file: Buffer): ReadonlyMap<string, Buffer> | undefined {
  if (file.length < 0x40) return undefined;
  const pe = file.readUInt32LE(0x3c);
  if (pe + 24 > file.length || file.toString('latin1', pe, pe + 4) !== 'PE\0\0') return undefined;
  const table = pe + 24 + file.readUInt16LE(pe + 20);
  const found = new Map<string, Buffer>();
  for (let index = 0; index < file.readUInt16LE(pe + 6); index += 1) {
    const at = table + index * 40;
    if (at + 40 > file.length) return undefined;
    const name = file.toString('latin1', at, at + 8).replace(/\0+$/, '');
    const [size, offset] = [file.readUInt32LE(at + 8), file.readUInt32LE(at + 20)];
    if (!found.has(name)) found.set(name, file.subarray(offset, offset + size));
  }
  return found;
}

/** What systemd-boot and the initrd read in a unified kernel image (UAPI.5). */
export interface Uki {
  readonly osRelease: string;
  readonly commandLine: string;
}

/** Undefined: systemd-boot does not take it for one. */
export function ukiOf(file: Buffer): Uki | undefined {
  const sections = sectionsOf(file);
  const osRelease = sections?.get('.osrel');
  if (!sections || !osRelease || osRelease.length === 0 || !sections.has('.linux')) return undefined;
  const text = (name: string): string => (sections.get(name)?.toString('utf8') ?? '').replace(/\0+$/, '');
  return { osRelease: text('.osrel'), commandLine: text('.cmdline').trim() };
}
