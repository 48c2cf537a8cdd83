/** For tests: an ELF64 relocatable file with a .modinfo section, as a kernel module has one. */
export function makeModule(
  info: readonly (readonly [tag: string, value: string])[],
  { section = '.modinfo' }: { readonly section?: string } = {},
): Buffer {
  const modinfo = Buffer.from(info.map(([tag, value]) => `${tag}=${value}\0`).join(''));
  const names = Buffer.from(`\0.shstrtab\0${section}\0`);
  const HEADER = 64;
  const SECTION = 64;
  const namesAt = HEADER + modinfo.length;
  const tableAt = Math.ceil((namesAt + names.length) / 8) * 8;
  const elf = Buffer.alloc(tableAt + 3 * SECTION);
  elf.write('\x7fELF\x02\x01\x01', 'latin1');
  elf.writeBigUInt64LE(BigInt(tableAt), 0x28);
  elf.writeUInt16LE(SECTION, 0x3a);
  elf.writeUInt16LE(3, 0x3c);
  elf.writeUInt16LE(1, 0x3e);
  modinfo.copy(elf, HEADER);
  names.copy(elf, namesAt);
  const header = (index: number, nameAt: number, offset: number, size: number) => {
    const at = tableAt + index * SECTION;
    elf.writeUInt32LE(nameAt, at);
    elf.writeBigUInt64LE(BigInt(offset), at + 0x18);
    elf.writeBigUInt64LE(BigInt(size), at + 0x20);
  };
  header(1, 1, namesAt, names.length);
  header(2, 1 + '.shstrtab\0'.length, HEADER, modinfo.length);
  return elf;
}

/** For tests: a zstd frame whose blocks are not compressed (RFC 8878 section 3.1.1). */
export function makeFrame(content: Buffer): Buffer {
  const BLOCK = 128 << 10;
  const header = Buffer.alloc(9);
  header.writeUInt32LE(0xfd2fb528);
  header.writeUInt8(0xa0, 4); // a single segment, with four bytes for the size of its content
  header.writeUInt32LE(content.length, 5);
  const parts: Uint8Array[] = [header];
  for (let at = 0; at === 0 || at < content.length; at += BLOCK) {
    const block = content.subarray(at, at + BLOCK);
    const last = at + BLOCK >= content.length ? 1 : 0;
    const size = Buffer.alloc(3);
    size.writeUIntLE((block.length << 3) | last, 0, 3);
    parts.push(size, block);
  }
  return Buffer.concat(parts);
}
