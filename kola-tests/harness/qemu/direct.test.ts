import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { commandLineOf } from './direct.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draisine-direct-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** A PE file of two sections, as ukify lays them out: the second profile's `.cmdline` follows the first one's. */
async function uki(sections: readonly (readonly [name: string, text: string])[]): Promise<string> {
  const file = Buffer.alloc(128 * 1024);
  const pe = 0x80;
  file.writeUInt32LE(pe, 0x3c);
  file.write('PE\0\0', pe, 'latin1');
  file.writeUInt16LE(sections.length, pe + 6);
  file.writeUInt16LE(240, pe + 20);
  sections.forEach(([name, text], index) => {
    const at = pe + 24 + 240 + index * 40;
    const offset = 64 * 1024 + index * 4096;
    file.write(name, at, 'latin1');
    file.writeUInt32LE(text.length, at + 8);
    file.writeUInt32LE(offset, at + 20);
    file.write(text, offset, 'latin1');
  });
  const path = join(folder, `${sections.length}.efi`);
  await writeFile(path, file);
  return path;
}

test('the command line of a UKI is that of its first profile, without padding', async () => {
  const path = await uki([
    ['.linux', 'kernel'],
    ['.cmdline', 'usrhash=ab quiet\n\0\0'],
    ['.profile', 'ID=live'],
    ['.cmdline', 'root=tmpfs'],
  ]);
  assert.equal(await commandLineOf(path), 'usrhash=ab quiet');
});

test('a file that is not a UKI, or has no command line, is named', async () => {
  const short = join(folder, 'short.efi');
  await writeFile(short, 'MZ');
  const other = join(folder, 'other.efi');
  await writeFile(other, Buffer.alloc(128 * 1024, 0xff));
  await assert.rejects(commandLineOf(short), /too short/);
  await assert.rejects(commandLineOf(other), /no PE header/);
  await assert.rejects(commandLineOf(await uki([['.linux', 'kernel']])), /no command line/);
});
