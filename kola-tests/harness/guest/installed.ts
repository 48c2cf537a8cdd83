import type { CommandVerbs } from './commands.ts';

/** Finds the disks of a running system's root file system and of its /usr. */
export async function runsFrom(box: Pick<CommandVerbs, 'succeed'>): Promise<{ root: string; usr: string }> {
  const disk = (device: string) =>
    `lsblk --inverse --noheadings --raw --output NAME,TYPE ${device} | sed -n 's/ disk$//p' | sort -u`;
  return {
    root: await box.succeed(disk('$(findmnt --noheadings --output SOURCE /)')),
    usr: await box.succeed(disk('/dev/mapper/usr')),
  };
}
