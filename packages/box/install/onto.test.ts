import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { listUkis } from '../disk/esp.ts';
import { guidBytes } from '../disk/guid.ts';
import { partitionsOf, runningUsr, slotHolds, slotsOf } from '../disk/inspect.ts';
import { fill, HASHES, makeDisk, makeUki, uuidOf } from '../disk/testing.ts';
import type { FakeBox } from '../io/fake.ts';
import { parseBootEntry, removeLostEntries } from './boot-entry.ts';
import { installMain } from './main.ts';
import { fakeMachine, fakeTerminal, GiB, installedTable } from './testing.ts';

const ESP = '/run/draisine/mounts/sda1.42';
const VERSION = '2026.1101.0';
const OLD_LOADER = 'boot loader of 0.1.0';
const LOADER = 'boot loader of 2026.1101.0';
/** What systemd-repart leaves: labels and UUIDs of nobody yet. */
const fresh = installedTable(['_empty', '_empty']).map((entry, index) => ({
  ...entry,
  uuid: uuidOf(20 + index),
}));

/** A live system beside a disk, with what an installation needs of programs. `old`: on the disk is the release 0.1.0. */
function machine({ old = false } = {}): FakeBox {
  const box = fakeMachine({
    sda: { size: 8 * GiB, serial: 'S4EV-1 ', ...(old ? { table: installedTable() } : {}) },
  });
  for (const number of [1, 2, 3, 4, 5]) box.putDevice(`/dev/sda${number}`, new Uint8Array(4096));
  box.program('systemd-repart', () => {
    box.putDevice('/dev/sda', makeDisk(fresh));
    return '';
  });
  box.program('dd', (argv) => {
    const device = argv.find((word) => word.startsWith('of=/dev/'))?.slice(3);
    if (device !== undefined && argv.includes('if=/dev/mapper/usr')) fill(box, device, HASHES.running);
    return '';
  });
  box.program('unshare', () => '');
  for (const name of ['10-esp', '20-usr-a', '21-usr-verity-a', '30-usr-b', '31-usr-verity-b', '40-state'])
    box.put({ [`/usr/lib/repart.d/${name}.conf`]: '[Partition]\nType=usr\nLabel=_empty\n' });
  if (!old) return box;
  fill(box, '/dev/sda2', HASHES.old);
  return box.put({
    [`${ESP}/EFI/Linux/draisine_0.1.0.efi`]: makeUki(HASHES.old),
    [`${ESP}/EFI/BOOT/BOOTX64.EFI`]: OLD_LOADER,
  });
}

/** An EFI_LOAD_OPTION as efivarfs has it: a partition by its UUID, and a file on it. */
function bootEntry(uuid: string, file: string, description = 'Draisine S4EV-1'): Uint8Array {
  const utf16 = (text: string) => [...Buffer.from(`${text}\0`, 'utf16le')];
  const node = (subtype: number, content: readonly number[]) => {
    const size = content.length + 4;
    return [4, subtype, size & 255, size >> 8, ...content];
  };
  const drive = [1, 0, 0, 0, ...new Array<number>(16).fill(0), ...guidBytes(uuid), 2, 2];
  const path = [...node(1, drive), ...node(4, utf16(file)), 0x7f, 0xff, 4, 0];
  return new Uint8Array([7, 0, 0, 0, 1, 0, 0, 0, path.length, 0, ...utf16(description), ...path]);
}

function install(box: FakeBox, ...words: readonly string[]): string {
  const terminal = fakeTerminal();
  const code = installMain(box, terminal, ['--yes', ...words, 'sda']);
  const said = terminal.said.join('\n');
  assert.equal(code, 0, said);
  return said;
}

const slots = (box: FakeBox) => slotsOf(partitionsOf(box, 'sda') ?? [], runningUsr(box));

describe('onto an empty disk', () => {
  test('the release is in slot A, and its UKI is not counted', () => {
    const box = machine();
    const said = install(box);
    assert.match(said, /writing \/usr to \/dev\/sda2 and \/dev\/sda3\n/);
    assert.match(said, /writing the boot loader and draisine_2026\.1101\.0\.efi\n/);
    assert.match(said, /Draisine 2026\.1101\.0 is on sda\.\nRemove the medium and restart\.$/);
    assert.deepEqual(
      slots(box).map(({ version }) => version),
      [VERSION, undefined],
    );
    assert.ok(slotHolds(slots(box)[0]!, HASHES.running));
    assert.deepEqual(box.list(`${ESP}/EFI/Linux`), ['draisine_2026.1101.0.efi']);
    assert.equal(box.stat('/run/draisine/install.d/40-state.conf'), undefined);
  });

  test('with its own state partition and config', () => {
    const box = machine().put({ '/root/machine.ign': '{}' });
    box.program('unshare', () => '');
    install(box, '--state-size', '3Gi', '--config', '/root/machine.ign');
    const state = box.readText('/run/draisine/install.d/40-state.conf');
    assert.match(state, /^Label=draisine-state\nSizeMinBytes=3221225472\nSizeMaxBytes=3221225472$/m);
    assert.equal(box.readText(`${ESP}/ignition.ign`), '{}');
  });

  test('a second installation leaves one boot entry: its ESP has the UUID that the firmware knows', () => {
    const oldEsp = installedTable()[0]!.uuid;
    const uuidLine = (box: FakeBox) => {
      install(box);
      return /^UUID=.*$/m.exec(box.readText('/run/draisine/install.d/10-esp.conf'))?.[0];
    };
    const name = 'Boot0003-8be4df61-93ca-11d2-aa0d-00e098032b8c';
    const known = (uuid: string, file: string) =>
      machine({ old: true }).put({ [`/sys/firmware/efi/efivars/${name}`]: bootEntry(uuid, file) });
    const loader = '\\EFI\\systemd\\systemd-bootx64.efi';
    assert.equal(uuidLine(known(oldEsp, loader)), `UUID=${oldEsp}`);
    assert.equal(uuidLine(known(uuidOf(77), loader)), undefined, 'the entry of another disk');
    assert.equal(uuidLine(known(oldEsp, '\\EFI\\debian\\shimx64.efi')), undefined, 'somebody else’s entry');
    assert.equal(uuidLine(machine({ old: true })), undefined, 'a disk written with the image has its UUID');
    assert.equal(uuidLine(machine()), undefined, 'an empty disk');
  });

  test('entries of this disk whose partition no disk has go, out of the order too; others stay', () => {
    const loader = '\\EFI\\systemd\\systemd-bootx64.efi';
    const variable = (name: string) =>
      `/sys/firmware/efi/efivars/${name}-8be4df61-93ca-11d2-aa0d-00e098032b8c`;
    const box = machine().put({
      [variable('Boot0001')]: bootEntry(uuidOf(70), loader),
      [variable('Boot0002')]: bootEntry(fresh[0]!.uuid, loader),
      [variable('Boot0003')]: bootEntry(uuidOf(71), '\\EFI\\debian\\shimx64.efi'),
      [variable('Boot0004')]: bootEntry(uuidOf(72), loader, 'Linux Boot Manager'),
      [variable('Boot0005')]: bootEntry(uuidOf(74), loader, 'Draisine OF-AN-UNPLUGGED-DISK'),
      [variable('Boot0006')]: bootEntry(uuidOf(75), loader, 'Draisine'),
      [variable('Boot000A')]: bootEntry(uuidOf(73), loader),
      [variable('BootOrder')]: new Uint8Array([7, 0, 0, 0, 10, 0, 2, 0, 1, 0, 3, 0, 4, 0]),
    });
    const copy = box.programs.get('dd')!;
    const written: Uint8Array[] = [];
    box.program('dd', (argv, options) => {
      if (argv.some((word) => word === `of=${variable('BootOrder')}`))
        written.push(options!.stdin as Uint8Array);
      return copy(argv, options, box);
    });
    const said = install(box);
    assert.deepEqual(
      ['0001', '0002', '0003', '0004', '0005', '0006', '000A'].filter(
        (n) => box.stat(variable(`Boot${n}`)) !== undefined,
      ),
      ['0002', '0003', '0004', '0005', '0006'],
    );
    assert.deepEqual(written, [new Uint8Array([7, 0, 0, 0, 2, 0, 3, 0, 4, 0])]);
    assert.match(said, /removed the boot entry Boot0001: no disk has its partition /);
    assert.match(said, /Boot000A/);
    assert.ok(
      box.ran.some((argv) => argv.includes('--efi-boot-option-description=Draisine S4EV-1')),
      'the next installation knows the entry by it',
    );
  });

  test('a disk without a serial number takes no entry of another one', () => {
    const box = fakeMachine({ sda: { size: 8 * GiB } });
    const entry = '/sys/firmware/efi/efivars/Boot0001-8be4df61-93ca-11d2-aa0d-00e098032b8c';
    box.put({ [entry]: bootEntry(uuidOf(70), '\\EFI\\systemd\\systemd-bootx64.efi', 'Draisine') });
    removeLostEntries(box, '', () => assert.fail('nothing to say'));
    assert.ok(box.stat(entry) !== undefined);
  });

  test('firmware that does not let an entry go is no reason to fail', () => {
    const box = machine().put({
      '/sys/firmware/efi/efivars/Boot0001-8be4df61-93ca-11d2-aa0d-00e098032b8c': bootEntry(
        uuidOf(70),
        '\\EFI\\systemd\\systemd-bootx64.efi',
      ),
      '/sys/firmware/efi/efivars/BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c': new Uint8Array([
        7, 0, 0, 0, 1, 0,
      ]),
    });
    const copy = box.programs.get('dd')!;
    box.program('dd', (argv, options) =>
      argv.join().includes('BootOrder')
        ? { code: 1, stdout: '', stderr: 'dd: no room' }
        : copy(argv, options, box),
    );
    assert.match(
      install(box),
      /could not remove old boot entries of the firmware: cannot write the boot order.*no room/,
    );
  });

  test('entries of the firmware that do not start a file on a partition', () => {
    assert.deepEqual(parseBootEntry(bootEntry(uuidOf(5), '\\A')), {
      description: 'Draisine S4EV-1',
      partition: uuidOf(5),
      file: '\\a',
    });
    for (const length of [0, 4, 10, 20, 40, 60])
      assert.equal(parseBootEntry(bootEntry(uuidOf(5), '\\A').subarray(0, length)), undefined, `${length}`);
  });

  test('firmware that refuses a boot entry is a warning, and the boot loader is there', () => {
    const box = machine();
    box.program('unshare', () => ({ code: 1 }));
    assert.match(install(box), /the firmware has no boot entry/);
    for (const path of ['EFI/BOOT/BOOTX64.EFI', 'EFI/systemd/systemd-bootx64.efi'])
      assert.equal(box.readText(`${ESP}/${path}`), LOADER);
  });

  test('bootctl makes the boot entry and copies nothing: its copies are not flushed', () => {
    const box = machine();
    let seen: string[] = [];
    box.program('unshare', (argv) => {
      assert.equal(box.readText(`${ESP}/EFI/BOOT/BOOTX64.EFI`), LOADER);
      seen = [...argv];
      return '';
    });
    install(box);
    const [, , , , script, nothing] = seen;
    assert.match(script!, /^mount --bind "\$0" \/usr\/lib\/systemd\/boot\/efi && exec bootctl "\$@"$/);
    assert.deepEqual(box.list(nothing!), []);
    assert.equal(seen[6], 'install');
  });

  test('a UKI of another release is not taken; one from a server only with its digest', () => {
    const box = machine().put({ '/run/draisine/uki.efi': makeUki(HASHES.next) });
    const terminal = fakeTerminal();
    assert.equal(installMain(box, terminal, ['--yes', 'sda']), 1);
    assert.match(
      terminal.said.join(),
      /cannot find the unified kernel image of this release: is the medium still plugged in\?/,
    );
    assert.ok(!box.ran.some(([name]) => name === 'systemd-repart'), 'before anything was erased');

    box.remove('/run/draisine/uki.efi');
    const cmdline = (text: string) =>
      box.put({ '/proc/cmdline': `root=tmpfs draisine.uki=http://h/uki.efi ${text}\n` });
    const failing = () => {
      const said = fakeTerminal();
      assert.equal(installMain(box, said, ['--yes', 'sda']), 1);
      return said.said.join('\n');
    };
    cmdline('');
    assert.match(failing(), /draisine\.uki= without draisine\.uki\.sha256=/);
    cmdline(`draisine.uki.sha256=${'0'.repeat(64)}`);
    assert.match(failing(), /cannot fetch http:\/\/h\/uki\.efi: curl ended with 127/);
    box.program('curl', (argv) => {
      box.put({ [argv[argv.indexOf('--output') + 1]!]: makeUki(HASHES.running) });
      return '';
    });
    assert.match(failing(), /http:\/\/h\/uki\.efi does not have the SHA-256 0000/);
  });
});

describe('onto a disk that keeps its state', () => {
  test('from an old image: uses the free slot, and puts its UKI beside the old one; a second run writes nothing', () => {
    const box = machine({ old: true });
    install(box, '--keep-state');
    assert.deepEqual(
      slots(box).map(({ version }) => version),
      ['0.1.0', VERSION],
    );
    assert.deepEqual(box.list(`${ESP}/EFI/Linux`), ['draisine_0.1.0.efi', 'draisine_2026.1101.0.efi']);
    assert.match(install(box, '--keep-state'), /\/dev\/sda4 has this release already/);
  });

  test('a newer release leaves the menu, and a half-written file with it', () => {
    const box = machine({ old: true });
    box.put({
      [`${ESP}/EFI/Linux/draisine_2027.101.0+2-1.efi`]: makeUki(HASHES.next),
      [`${ESP}/EFI/Linux/draisine_1.efi.new`]: 'half',
      [`${ESP}/loader/loader.conf`]: 'timeout 9\ndefault draisine_2027.101.0.efi\n',
    });
    install(box, '--keep-state');
    assert.deepEqual(box.list(`${ESP}/EFI/Linux`), ['draisine_0.1.0.efi', 'draisine_2026.1101.0.efi']);
    assert.equal(box.readText(`${ESP}/loader/loader.conf`), 'timeout 9\n');
  });

  test('a release that is larger than the slots is refused, and nothing changes', () => {
    const box = machine({ old: true });
    const table = box.programs.get('dmsetup')!;
    box.program('dmsetup', (argv, options, self) =>
      String(table(argv, options, self)).replace(' 4096 4096 1 1 ', ' 4096 4096 2 1 '),
    );
    const terminal = fakeTerminal();
    assert.equal(installMain(box, terminal, ['--yes', '--keep-state', 'sda']), 1);
    assert.match(terminal.said.join('\n'), /2026\.1101\.0 does not fit into slot b: 8192 of 4096 bytes/);
    assert.deepEqual(box.list(`${ESP}/EFI/Linux`), ['draisine_0.1.0.efi']);
  });

  test('cut off at any call, the old release boots, or the new one is whole', () => {
    const cut = (at: number) => {
      const box = machine({ old: true });
      let calls = 0;
      box.fails = () => (++calls >= at ? 'EIO' : undefined);
      try {
        installMain(box, fakeTerminal(), ['--yes', '--keep-state', 'sda']);
      } catch {
        // the power is off
      }
      box.fails = () => undefined;
      const installed = listUkis(box, ESP);
      assert.ok(
        installed.some(({ version }) => version === '0.1.0'),
        `call ${at}`,
      );
      assert.equal(new TextDecoder().decode(box.readFile('/dev/sda2').subarray(0, 64)), HASHES.old);
      assert.ok([OLD_LOADER, LOADER].includes(box.readText(`${ESP}/EFI/BOOT/BOOTX64.EFI`)), `call ${at}`);
      const next = installed.find(({ version }) => version === VERSION);
      if (next) assert.ok(slotHolds(slots(box)[1]!, HASHES.running), `call ${at}`);
      return [calls < at ? 'done' : next ? 'new' : 'old'] as const;
    };
    const seen: string[] = [];
    for (let at = 1; seen.at(-1) !== 'done'; at++) seen.push(...cut(at));
    assert.ok(seen.length > 80, `${seen.length} calls`);
    assert.ok(seen.includes('new') && seen.includes('old'));
  });
});
