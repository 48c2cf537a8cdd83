import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recipe, type Source, type Target } from '../../build/graph/target.ts';
import type { Entry } from '../../build/tree/entry.ts';
import { canonicalJson, sha256 } from '../../sdk/lib/files.ts';
import { runSandboxed } from '../../sdk/sandbox.ts';

/**
 * spl.ko and zfs.ko for one kernel, as a tree fragment `{entries}` below usr/lib/modules/RELEASE/extra.
 * `compiler` is the tool tree with gcc and zfs-dkms' source; `sandbox` the one with bwrap.
 */
export const zfsModules = recipe<{
  compiler: Target;
  sandbox: Target;
  /** A folder with the kernel's headers; none: the compiler's tree has those of Debian's kernel. */
  headers: readonly Target[];
  script: Source;
}>({
  from: import.meta.url,
  kind: 'file',
  parallel: true,
  async run({ inputs, scratch, out, jobs, signal, add, progress }) {
    const build = join(scratch, 'build');
    await mkdir(build);
    let steps = 0;
    await runSandboxed(
      inputs.sandbox.path,
      inputs.compiler.path,
      ['/bin/bash', '/build.sh', String(jobs)],
      [
        { from: build, to: '/build', writable: true },
        { from: inputs.script.path, to: '/build.sh' },
        ...inputs.headers.map(({ path }) => ({ from: path, to: '/headers' })),
      ],
      { signal, onStderr: (text) => progress(++steps, 3, text.trim()) },
    );
    const release = (await readFile(join(build, 'out/release'), 'utf8')).trim();
    const entries: Entry[] = [];
    for (const name of ['spl.ko', 'zfs.ko']) {
      const path = join(build, 'out', name);
      const content = await readFile(path);
      const digest = sha256(content);
      await add({ path });
      entries.push({
        type: 'file',
        path: `usr/lib/modules/${release}/extra/${name}`,
        mode: 0o644,
        uid: 0,
        gid: 0,
        origin: 'recipe:zfs',
        content: { blob: digest, offset: 0, size: content.length, sha256: digest },
      });
    }
    await writeFile(out, canonicalJson({ entries }));
  },
});
