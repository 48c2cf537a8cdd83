import assert from 'node:assert/strict';
import { register } from '../harness/run/register.ts';

/** A block in the middle of /usr's file system. The tests damage it. */
const BLOCK = 10_000;
const OFFSET = BLOCK * 4096 + 77;

/** The partition with the data that dm-verity checks. It is the fifth word of dm-verity's table (verity.rst). */
const DATA = '/dev/block/$(dmsetup table usr | cut -d" " -f5)';

/** Flips all bits of a byte of the partition under /usr. */
const FLIP = `
  byte=$(od -An -tu1 -j ${OFFSET} -N 1 ${DATA})
  printf "\\\\x$(printf %02x $((byte ^ 255)))" | dd of=${DATA} bs=1 seek=${OFFSET} conv=notrunc,fsync status=none
`;

register(
  {
    name: 'verity.corrupt-block',
    what: 'A damaged block of /usr is detected, and no program can read it.',
    tags: ['quick'],
    expect: [
      /^kernel: device-mapper: verity: .* data block 10000 is corrupted/,
      /^kernel: .*I\/O error.* dm-0/,
    ],
  },
  async (_t, { box }) => {
    const read = (block: number): string =>
      `dd if=/dev/mapper/usr iflag=direct bs=4096 skip=${block} count=1 status=none | sha256sum; exit \${PIPESTATUS[0]}`;
    const before = await box.succeed(read(BLOCK));
    await box.succeed(FLIP);
    assert.match(await box.fail(read(BLOCK)), /Input\/output error/);
    assert.match(await box.succeed('dmsetup status usr'), /verity C$/); // C: corruption was found
    // dm-verity refuses only that block, and only while it is damaged.
    await box.succeed(read(BLOCK + 1));
    await box.succeed(FLIP);
    assert.equal(await box.succeed(read(BLOCK)), before);
  },
);
