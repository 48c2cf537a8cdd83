import { type Box, BoxError, removeTree } from './box.ts';

/**
 * Checks that a kind of box behaves like all others. Returns the sentences that are false. `folder`: may be
 * made and removed.
 */
export function contractFaults(box: Box, folder: string): string[] {
  const faults: string[] = [];
  const must = (sentence: string, holds: boolean) => {
    if (!holds) faults.push(sentence);
  };
  const codeOf = (call: () => unknown): string | undefined => {
    try {
      call();
      return 'none';
    } catch (error) {
      return error instanceof BoxError ? error.code : String(error);
    }
  };
  box.makeFolder(`${folder}/a/b`);
  box.makeFolder(`${folder}/a/b`);
  const file = `${folder}/a/file`;
  box.writeFile(file, 'Grüße, 漢字 🦺\n', { mode: 0o600 });
  must('text comes back', box.readText(file) === 'Grüße, 漢字 🦺\n');
  must('bytes are UTF-8', box.readFile(file).length === 21);
  must('a mode is kept', box.stat(file)?.mode === 0o600);
  box.writeFile(file, new Uint8Array([0, 255, 10, 128]), { mode: 0o666 });
  must('bytes come back', [...box.readFile(file)].join() === '0,255,10,128');
  must('the mode is that of the last write', box.stat(file)?.mode === 0o666);
  must('a folder lists its names in order, no temporary one', box.list(`${folder}/a`).join() === 'b,file');
  must('size and type', box.stat(file)?.size === 4 && box.stat(file)?.type === 'file');
  must('nothing is there', box.stat(`${folder}/none`) === undefined && box.stat(`${file}/x`) === undefined);
  must('reading what is not there', codeOf(() => box.readText(`${folder}/none`)) === 'ENOENT');
  must('writing where no folder is', codeOf(() => box.writeFile(`${folder}/no/file`, '')) === 'ENOENT');
  must('listing what is not there', codeOf(() => box.list(`${folder}/none`)) === 'ENOENT');
  must('removing a full folder', codeOf(() => box.remove(`${folder}/a`)) === 'ENOTEMPTY');
  must('removing what is below a file', codeOf(() => box.remove(`${file}/x`)) === 'none');
  box.symlink('file', `${folder}/a/link`);
  box.symlink('file', `${folder}/a/link`);
  must(
    'a link',
    box.readLink(`${folder}/a/link`) === 'file' && box.lstat(`${folder}/a/link`)?.type === 'symlink',
  );
  must('a link is followed', box.readFile(`${folder}/a/link`).length === 4);
  box.rename(file, `${folder}/a/moved`);
  must('renamed', box.stat(file) === undefined && box.stat(`${folder}/a/moved`)?.size === 4);
  box.remove(file);

  const open = box.open(`${folder}/a/moved`, 'write');
  open.write(1, new Uint8Array([7, 8]));
  open.sync();
  must('bytes at an offset', [...open.read(0, 4)].join() === '0,7,8,128' && open.size === 4);
  must('reading past the end', codeOf(() => open.read(2, 3)) === 'EIO');
  open.close();
  removeTree(box, folder);
  must('all is gone', box.stat(folder) === undefined);
  return faults;
}

/** The same for programs: `sh`, `cat` and `sleep` of any Unix. `folder` must exist and be writable. */
export function programFaults(box: Box, folder: string): string[] {
  const faults: string[] = [];
  const must = (sentence: string, holds: boolean) => {
    if (!holds) faults.push(sentence);
  };
  const shell = (script: string, options?: Parameters<Box['run']>[1]) =>
    box.run(['sh', '-c', script], options);
  const all = shell('cat; echo "$WORD"; echo oops >&2; exit 3', { stdin: 'in ', env: { WORD: 'wörd' } });
  must('stdin, environment, stdout', all.stdout === 'in wörd\n');
  must('stderr and exit code', all.stderr === 'oops\n' && all.code === 3);
  must('no stdin is an empty one', shell('cat').stdout === '');
  must(
    'much on both at once',
    (() => {
      const much = shell('head -c 300000 /dev/zero | tr "\\0" x; head -c 300000 /dev/zero | tr "\\0" y >&2');
      return much.stdout.length === 300000 && much.stderr.length === 300000;
    })(),
  );
  must('no such program', box.run(['draisine-has-no-such-program']).code === 127);
  must('ended by a signal', shell('kill -9 $$').code === 137);
  must('ended in time', shell('sleep 20', { timeoutSeconds: 1 }).code === 124);
  const file = `${folder}/printed`;
  const printed = shell('echo here', { stdoutFile: file });
  must('stdout in a file', printed.stdout === '' && box.readText(file) === 'here\n');
  const owner = box.stat(file);
  must('an owner', `${owner?.uid} ${owner?.gid}\n` === shell(`stat -c '%u %g' ${file}`).stdout);
  // Root may give it to somebody.
  if (owner?.uid === 0)
    must('another owner', shell(`chown 12:34 ${file}`).code === 0 && box.stat(file)?.gid === 34);
  box.remove(file);
  // Their lengths are unknown: one reports 0, the other 4096.
  for (const system of ['/proc/uptime', '/sys/devices/system/cpu/online'])
    must(`${system} is read`, /^\d/.test(box.readText(system)) && box.readFile(system).length > 1);
  const before = box.monotonic();
  box.sleep(30);
  must('sleep', box.monotonic() - before >= 29);
  return faults;
}
