import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The dynamic linker of a fake tool tree (see `toolCommand`): a script that runs the tool directly. */
const LINKER = '#!/bin/sh\nshift 2\nexec "$@"\n';

/** For tests: a tool tree in `root` whose tools are shell scripts, by name. */
export async function fakeTree(root: string, tools: Readonly<Record<string, string>>): Promise<string> {
  await script(join(root, 'usr/lib/x86_64-linux-gnu'), 'ld-linux-x86-64.so.2', LINKER);
  for (const [name, body] of Object.entries(tools))
    await script(join(root, 'usr/bin'), name, `#!/bin/sh\nPATH=$PATH:/usr/bin:/bin\n${body}\n`);
  return root;
}

async function script(folder: string, name: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), text);
  await chmod(join(folder, name), 0o755);
}
