import type { Actual } from './actual.ts';
import type { NodeWish } from './wishes.ts';

/** A change of one file, folder or link. */
export type NodeStep =
  | { readonly do: 'write'; readonly node: NodeWish; readonly was: Actual }
  /** `vendor`: the release has a file of that name, which becomes visible again. */
  | { readonly do: 'remove'; readonly path: string; readonly was: Actual };
