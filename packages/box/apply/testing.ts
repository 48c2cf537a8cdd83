import { FakeBox } from '../io/fake.ts';
import { encodeUtf8 } from '../io/utf8.ts';
import type { Health } from './engine.ts';
import { CONFIG_FOLDER, PROVISIONED } from './journal.ts';
import { filePrograms, words } from './testing/file-programs.ts';

/** An Ignition config in parts: files by path, units by name. */
export interface Parts {
  readonly files?: Readonly<Record<string, string>>;
  readonly units?: Readonly<Record<string, { readonly contents?: string; readonly enabled?: boolean }>>;
  readonly users?: readonly object[];
  readonly storage?: object;
}

export function configOf({ files = {}, units = {}, users = [], storage = {} }: Parts): string {
  return JSON.stringify({
    ignition: { version: '3.3.0' },
    passwd: { users },
    storage: {
      files: Object.entries(files).map(([path, text]) => ({
        ...{ path, mode: 0o644, overwrite: true },
        contents: { source: `data:,${encodeURIComponent(text)}` },
      })),
      ...storage,
    },
    systemd: { units: Object.entries(units).map(([name, unit]) => ({ name, ...unit })) },
  });
}

/**
 * The programs that an apply calls, on the files of a fake box. Everything belongs to root. systemctl and others only
 * record their calls.
 */
function fakePrograms(box: FakeBox): void {
  filePrograms(box);
  const nodes = box.nodes as Map<string, { type: string; bytes: Uint8Array; mode: number }>;
  box.program('chmod', (argv) => {
    const [mode = '', path = ''] = words(argv);
    const node = nodes.get(path);
    if (node) nodes.set(path, { ...node, mode: Number.parseInt(mode, 8) });
    return '';
  });
  for (const name of [
    'chown',
    'sync',
    'systemctl',
    'systemd-run',
    'networkctl',
    'find',
    'sh',
    '/bin/sh',
    'useradd',
    'userdel',
    'usermod',
    'groupadd',
  ])
    box.program(name, () => '');
}

/** A machine that was provisioned with a config, and still matches it. */
export function provisioned(parts: Parts): FakeBox {
  const box = new FakeBox();
  box.put({
    '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
    '/etc/group': 'root:x:0:\n',
    '/proc/self/x': '',
  });
  box.nodes.delete('/proc/self/x');
  box.nodes.delete('/proc/self');
  box.symlink('1', '/proc/self');
  fakePrograms(box);
  for (const [path, text] of Object.entries(parts.files ?? {})) box.put({ [path]: text });
  for (const [name, { contents }] of Object.entries(parts.units ?? {}))
    if (contents !== undefined) box.put({ [`/etc/systemd/system/${name}`]: contents });
  box.makeFolder('/run/draisine');
  box.makeFolder(CONFIG_FOLDER, 0o700);
  box.writeFile(PROVISIONED, encodeUtf8(configOf(parts)), { mode: 0o600 });
  return box;
}

export const healthy: Health = { record: () => undefined, running: () => [], lost: () => [] };

/** What systemctl was told about units, in order: `restart a.service`. */
export function unitCalls(box: FakeBox): string[] {
  return box.ran
    .filter(([name, verb]) => name === 'systemctl' && !['daemon-reload', 'show'].includes(verb ?? ''))
    .map((argv) =>
      argv
        .slice(1)
        .filter((word) => !word.startsWith('--'))
        .join(' '),
    );
}
