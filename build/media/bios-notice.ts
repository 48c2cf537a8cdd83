const MESSAGE = 'This machine must boot in UEFI mode: change that in the firmware setup.\r\n';

/** Bytes of an MBR before the disk's signature and the partition table: code and message. */
export const NOTICE_SIZE = 440;

/**
 * A boot sector for a BIOS, in an MBR or as an El Torito boot image. It only prints that the machine must use UEFI. The
 * code runs on an 8086 in real mode at any address, and prints by int 10h, function 0Eh.
 */
export function biosNotice(): Buffer {
  const code = Buffer.from([
    ...[0xfc], //             cld
    ...[0x31, 0xc0], //       xor ax, ax
    ...[0x8e, 0xd0], //       mov ss, ax
    ...[0xbc, 0x00, 0x7c], // mov sp, 7C00h
    ...[0x0e], //             push cs
    ...[0x1f], //             pop ds
    ...[0xe8, 0x00, 0x00], // call here
    ...[0x5e], //       here: pop si
    ...[0x83, 0xc6, 0x15], // add si, message - here
    ...[0xac], //       next: lodsb
    ...[0x84, 0xc0], //       test al, al
    ...[0x74, 0x09], //       jz stop
    ...[0xb4, 0x0e], //       mov ah, 0Eh
    ...[0xbb, 0x07, 0x00], // mov bx, 7
    ...[0xcd, 0x10], //       int 10h
    ...[0xeb, 0xf2], //       jmp next
    ...[0xf4], //       stop: hlt
    ...[0xeb, 0xfd], //       jmp stop
  ]);
  const sector = Buffer.alloc(512);
  const end = code.copy(sector) + sector.write(`${MESSAGE}\0`, code.length, 'latin1');
  if (end > NOTICE_SIZE) throw new Error(`the notice has ${end} bytes, ${NOTICE_SIZE} are there`);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}
