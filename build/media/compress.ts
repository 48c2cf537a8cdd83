import { runTool } from '../../sdk/tool.ts';
import { recipe, type Target } from '../graph/target.ts';

/** Compresses a file with zstd(1). The number of threads changes the frames, so it is fixed. */
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
