import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runTool } from '../../../sdk/tool.ts';
import { recordedDevice } from '../qemu/recorded.ts';
import { toolTree } from '../qemu/tree.ts';
import { CrashDisk } from './disk.ts';
import { readLog } from './log.ts';

test('reads the log that two runs of QEMU have written', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'crash-log-'));
  try {
    const tools = await toolTree('sdk-qemu');
    const env = { QEMU_MODULE_DIR: join(tools, 'usr/lib/x86_64-linux-gnu/qemu') };
    const [image, log] = [join(dir, 'disk.qcow2'), join(dir, 'log')];
    await runTool(tools, 'qemu-img', ['create', '-q', '-f', 'qcow2', image, '64M']);
    const format = { 'node-name': 'disk', driver: 'qcow2', file: { driver: 'file', filename: image } };
    const { blockdevs } = await recordedDevice(
      { id: 'disk', device: { drive: 'disk' }, blockdevs: [format] },
      log,
    );
    const node = `json:${JSON.stringify({ ...blockdevs.at(-1), file: format })}`;
    const io = async (...commands: string[]): Promise<void> =>
      void (await runTool(tools, 'qemu-io', [...commands.flatMap((each) => ['-c', each]), node], { env }));
    await io(
      'write -P 97 0 1024',
      'flush',
      'write -f -P 98 4096 512',
      'write -z 8192 4096',
      'discard 16384 4096',
    );
    await io('write -P 99 512 512', 'flush');

    const fd = openSync(log, 'r');
    const read = readLog(fd, log);
    const told = read.entries
      .filter(({ kind }) => kind !== 'flush')
      .map(({ kind, sector, sectors, fua }) => `${kind} ${sector}+${sectors}${fua ? ' fua' : ''}`);
    assert.deepEqual(told, ['write 0+2', 'write 8+1', 'write 16+8', 'discard 32+8', 'write 1+1']);
    // The log has no FUA for a qcow2 file, because virtio disks do not use it.
    assert.deepEqual(
      read.entries.slice(0, 2).map(({ kind }) => kind),
      ['write', 'flush'],
    );
    assert.equal(read.entries.at(-1)?.kind, 'flush');
    const disk = new CrashDisk({ size: 64 << 20 }, read, fd);
    const all = [...read.entries.keys()].filter((index) => read.entries[index]?.kind !== 'flush');
    disk.goTo({ at: all.length, settled: all, applied: [] });
    const view = disk.view({ offset: 0, length: 64 << 20 });
    const letters = [0, 512, 4096, 8192].map((at) => view.read(at, 1).toString('latin1'));
    assert.deepEqual(letters, ['a', 'c', 'b', '\0']);
    closeSync(fd);
  } finally {
    await rm(dir, { recursive: true });
  }
});
