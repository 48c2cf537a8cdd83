import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { copySparse } from '../../sdk/lib/sparse.ts';
import { runTool } from '../../sdk/tool.ts';
import { type Output, type Plain, recipe, type Target } from '../graph/target.ts';
import { biosNotice, NOTICE_SIZE } from './bios-notice.ts';
import { type PartitionPlan, slotLabels, uuidFromHash } from './partitions.ts';

/**
 * A GPT disk image with three partitions: ESP, usr A, verity A. On first boot, systemd-repart makes the others (slot B,
 * state) by the image's own repart.d. Here systemd-repart writes the table, offline and without root, and the contents
 * are copied to the offsets that it reports. The protective MBR (UEFI 2.10, 5.2.3) has code for a BIOS: it asks the
 * user to turn on UEFI mode.
 */
export const disk = recipe<{
  sdk: Target;
  esp: Target;
  usr: Target;
  hashTree: Target;
  /** The root hash in text. */
  rootHash: Target;
  plan: Plain<PartitionPlan>;
  version: string;
  /** Seed of the disk's and the ESP's UUID. */
  seed: string;
}>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, scratch, signal, progress }) {
    const { sdk, esp, usr, hashTree, rootHash: rootHashFile, plan, version, seed } = inputs;
    const rootHash = (await readFile(rootHashFile.path, 'utf8')).trim();
    fits(usr, plan.usr, 'partitions.usr of the image');
    fits(hashTree, plan.verity, 'partitions.verity of the image');
    const labels = slotLabels(version);
    const partitions = [
      { type: 'esp', label: 'draisine-esp', size: plan.esp, content: esp },
      {
        type: 'usr',
        label: labels.usr,
        size: plan.usr,
        content: usr,
        uuid: uuidFromHash(rootHash, 'first'),
      },
      {
        type: 'usr-verity',
        label: labels.verity,
        size: plan.verity,
        content: hashTree,
        uuid: uuidFromHash(rootHash, 'last'),
      },
    ];
    const definitions = join(scratch, 'repart.d');
    await mkdir(definitions);
    for (const [index, { type, label, size, uuid }] of partitions.entries()) {
      const lines = [
        '[Partition]',
        `Type=${type}`,
        `Label=${label}`,
        `SizeMinBytes=${size}`,
        `SizeMaxBytes=${size}`,
      ];
      if (uuid) lines.push(`UUID=${uuid}`, 'ReadOnly=yes');
      await writeFile(join(definitions, `${index}0.conf`), `${lines.join('\n')}\n`);
    }
    const report = await runTool(
      sdk.path,
      'systemd-repart',
      [
        '--offline=yes',
        '--empty=create',
        '--size=auto',
        '--dry-run=no',
        `--seed=${seed}`,
        `--definitions=${definitions}`,
        '--no-pager',
        '--json=short',
        out,
      ],
      { cwd: scratch, signal },
    );
    const table = JSON.parse(report.toString()) as { offset: number; raw_size: number }[];
    const image = await open(out, 'r+');
    try {
      await image.write(biosNotice(), 0, NOTICE_SIZE, 0);
      for (const [index, { content, label }] of partitions.entries()) {
        const row = table[index];
        if (!row)
          throw new Failure(`systemd-repart reported ${table.length} partitions for ${partitions.length}`, {
            where: label,
          });
        await copySparse(content.path, image, { offset: row.offset });
        progress(index + 1, partitions.length, label);
      }
      await image.sync();
    } finally {
      await image.close();
    }
  },
});

function fits(content: Output, room: number, where: string): void {
  if (content.size <= room) return;
  throw badInput(`${content.size} bytes do not fit into a slot of ${room} bytes`, {
    where,
    hint: 'enlarge the slot, or trim the image (draisine size says where the bytes are)',
  });
}
