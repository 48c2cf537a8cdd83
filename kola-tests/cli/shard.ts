import { resolve } from 'node:path';
import { badInput } from '../../sdk/lib/errors.ts';
import { readDurations } from '../harness/run/history.ts';
import type { Shard } from '../harness/run/select.ts';
import { parseShard } from './options.ts';

/** Reads `--shard I/N` and `--durations FILE`. Throws badInput for durations without a shard. */
export async function shardOption(options: {
  readonly image: string;
  readonly shard?: string;
  readonly durations?: string;
}): Promise<Shard | undefined> {
  const { image, shard, durations } = options;
  if (shard === undefined) {
    if (durations !== undefined)
      throw badInput('--durations balances --shard: give --shard as well', { hint: '--shard I/N' });
    return undefined;
  }
  return {
    ...parseShard(shard),
    ...(durations === undefined ? {} : { durations: await readDurations(image, resolve(durations)) }),
  };
}
