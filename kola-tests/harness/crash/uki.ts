interface Section {
  readonly name: string;
  readonly content: Buffer;
}

/** The sections of a PE file in their order: PE Format (Microsoft), COFF file header and section table. */
function sectionsOf(file: Buffer): readonly Section[] | undefined {
  if (file.length < 0x40) return undefined;
  const pe = file.readUInt32LE(0x3c);
  if (pe + 24 > file.length || file.toString('latin1', pe, pe + 4) !== 'PE\0\0') return undefined;
  const table = pe + 24 + file.readUInt16LE(pe + 20);
  const found: Section[] = [];
  for (let index = 0; index < file.readUInt16LE(pe + 6); index += 1) {
    const at = table + index * 40;
    if (at + 40 > file.length) return undefined;
    const name = file.toString('latin1', at, at + 8).replace(/\0+$/, '');
    const [size, offset] = [file.readUInt32LE(at + 8), file.readUInt32LE(at + 20)];
    found.push({ name, content: file.subarray(offset, offset + size) });
  }
  return found;
}

/** The parts of a unified kernel image (UAPI.5) that systemd-boot and the initrd read. */
export interface Uki {
  /** The .osrel section of each profile, in order. */
  readonly osReleases: readonly string[];
  /** The command line of the first profile. */
  readonly commandLine: string;
}

/** Reads a UKI. Undefined if systemd-boot does not accept the file. */
export function ukiOf(file: Buffer): Uki | undefined {
  const sections = sectionsOf(file);
  const osRelease = sections && contentOf(sections, '.osrel');
  if (!osRelease || contentOf(sections, '.linux') === undefined) return undefined;
  // Sections before the first .profile are common to all; a further profile replaces some of them.
  const starts = [...sections.keys()].filter((index) => sections[index]?.name === '.profile');
  const further = starts.slice(1).map((start, index) => sections.slice(start, starts[index + 2]));
  return {
    osReleases: [osRelease, ...further.map((own) => contentOf(own, '.osrel') ?? osRelease)],
    commandLine: (contentOf(sections, '.cmdline') ?? '').trim(),
  };
}

/** The content of the first section with a name. */
function contentOf(sections: readonly Section[], wanted: string): string | undefined {
  const found = sections.find(({ name }) => name === wanted);
  return found?.content.toString('utf8').replace(/\0+$/, '');
}
