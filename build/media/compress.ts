import { runTool } from '../../sdk/tool.ts';
import { recipe, type Target } from '../graph/target.ts';

/** zstd(1) of a file. The number of threads is part of the format's frame layout, so it is fixed, not the machine's. */
export const zstd = recipe<{ sdk: Target; file: Target; level: number }>({
  from: import.meta.url,
  kind: 'file',
  async run({ inputs, out, signal }) {
    await runTool(
      inputs.sdk.path,
      'zstd',
      ['-q', '-T2', `-${inputs.level}`, '--long=27', inputs.file.path, '-o', out],
      { signal },
    );
  },
});
