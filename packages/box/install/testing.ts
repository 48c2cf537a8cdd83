import { ESP, fakeDraisine, fakeLocks, HASHES, makeDisk, type TableEntry, uuidOf } from '../disk/testing.ts';
import type { FakeBox } from '../io/fake.ts';
import type { Terminal } from './terminal.ts';

/** A disk of a fake machine. */
export interface FakeDisk {
  readonly size?: number;
  readonly model?: string;
  readonly serial?: string;
  readonly tran?: string;
  readonly rm?: boolean;
  readonly readOnly?: boolean;
  /** Its partitions and other devices, in lsblk's form. */
  readonly children?: readonly object[];
  readonly table?: readonly TableEntry[];
}

export const GiB = 2 ** 30;

/** A fake live system that was booted from `vda`, with other disks. */
export function fakeMachine(disks: Readonly<Record<string, FakeDisk>>): FakeBox {
  const box = fakeDraisine();
  box.put({
    '/proc/cmdline': 'quiet root=tmpfs\n',
    '/sys/block/vda/diskseq': '9\n',
    '/usr/lib/draisine/kargs.efi': 'kargs',
  });
  for (const [name, { readOnly = false, table }] of Object.entries(disks)) {
    box.putDevice(`/dev/${name}`, table ? makeDisk(table) : new Uint8Array(64 * 512));
    box.put({
      [`/sys/block/${name}/diskseq`]: `1${name}\n`,
      [`/sys/block/${name}/ro`]: readOnly ? '1\n' : '0\n',
      [`/sys/block/${name}/queue/logical_block_size`]: '512\n',
    });
  }
  const all: Readonly<Record<string, FakeDisk>> = { vda: { size: 8 * GiB, serial: 'system' }, ...disks };
  box.program('lsblk', (argv) => {
    const names = argv.filter((word) => word.startsWith('/dev/')).map((word) => word.slice(5));
    if (!argv.includes('--json')) return names.map((name) => `${name} ${all[name]?.serial ?? ''}\n`).join('');
    const [name = ''] = names;
    const {
      size = 8 * GiB,
      model = null,
      serial = null,
      tran = null,
      rm = false,
      children,
    } = all[name] ?? {};
    const listed = { name, size, model, serial, tran, rm, type: 'disk', mountpoint: null };
    return JSON.stringify({ blockdevices: [children ? { ...listed, children } : listed] });
  });
  box.program('id', () => '0\n');
  box.program('readlink', (argv) => `${argv.at(-1)}\n`);
  fakeLocks(box);
  for (const name of ['wipefs', 'systemctl', 'systemd-repart']) box.program(name, () => '');
  box.put({ '/run/draisine/uki.efi': box.readFile(`${ESP}/EFI/Linux/draisine_2026.1101.0.efi`) });
  return box;
}

/** A fake terminal with the given input lines. */
export function fakeTerminal(...answers: readonly string[]) {
  const said: string[] = [];
  const left = [...answers];
  const terminal: Terminal & { readonly said: string[] } = {
    said,
    print: (line) => void said.push(line),
    complain: (line) => void said.push(line),
    ask(question) {
      said.push(question);
      return left.shift();
    },
  };
  return terminal;
}

/** The table of a disk with a Draisine: the running release's predecessor in slot A, slot B empty. */
export function installedTable(labels: readonly string[] = ['draisine_usr_0.1.0', '_empty']): TableEntry[] {
  const types = {
    esp: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
    usr: '8484680c-9521-48c6-9c11-b0720656f69e',
    verity: '77ff5f63-e7b6-4633-acf4-1565b864c0e6',
  };
  const slot = (label: string, at: number) => [
    { type: types.usr, label, uuid: at === 2 ? dashedOld(0) : uuidOf(at) },
    { type: types.verity, label: label.replace('usr_', 'usr_verity_'), uuid: uuidOf(at + 1) },
  ];
  return [
    { type: types.esp, label: 'draisine-esp', uuid: uuidOf(1) },
    ...labels.flatMap((label, index) => slot(label, 2 + 2 * index)),
    { type: '4f68bce3-e8cd-4db1-96e7-fbcaf984b709', label: 'draisine-state', uuid: uuidOf(6) },
  ];
}

function dashedOld(half: number): string {
  const hex = HASHES.old.slice(32 * half, 32 * half + 32);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
