import { fakeLocks } from '../../disk/testing.ts';
import type { FakeBox } from '../../io/fake.ts';
import { sha256 } from '../../io/sha256.ts';

/** The arguments of a call that are not options. */
export const words = (argv: readonly string[]): string[] =>
  argv.slice(1).filter((word) => !word.startsWith('-'));

/** Gives a fake box the programs sha256sum, flock, cp and tar, which work on its files. An archive holds nodes. */
export function filePrograms(box: FakeBox): void {
  const archive = new Map<string, unknown>();
  const nodes = box.nodes as Map<string, object>;
  box.program('sha256sum', (argv) =>
    words(argv)
      .map((path) => `${sha256(box.readFile(path))}  ${path}\0`)
      .join(''),
  );
  fakeLocks(box);
  box.program('cp', (argv) => {
    const [from = '', to = ''] = words(argv);
    const node = nodes.get(from);
    if (node) nodes.set(to, { ...node });
    return '';
  });
  box.program('tar', (argv, { stdin }) => {
    if (!argv.includes('--create')) {
      for (const [path, node] of archive) nodes.set(path, node as never);
      return '';
    }
    archive.clear();
    for (const name of String(stdin)
      .split('\0')
      .filter((one) => one !== ''))
      archive.set(`/${name}`, nodes.get(`/${name}`));
    box.put({ [argv[argv.indexOf('-f') + 1] ?? '']: 'tar' });
    return '';
  });
}
