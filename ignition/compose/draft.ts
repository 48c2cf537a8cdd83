import type { SourceNode } from '../base/node.ts';
import type { Text } from '../base/secret.ts';
import type { ContainerOptions } from '../sugar/container-options.ts';
import type { FileOptions } from '../sugar/file.ts';
import { type Lost, membersOf } from './nodes.ts';

/** Options of a container, filled in key by key. */
export type Draft = { -readonly [Key in keyof ContainerOptions]?: ContainerOptions[Key] };

/** The other parts of the file that a service may refer to, and the parts that it adds besides itself. */
export interface Project {
  readonly name: string;
  /** The folder of the compose file. */
  readonly folder: string;
  readonly lost: Lost;
  /** Secrets of the file, with their sources. */
  readonly secrets: ReadonlyMap<string, Text>;
  readonly networks: ReadonlySet<string>;
  /** Folders of the machine that replace folders beside the compose file. */
  readonly folders: Set<string>;
  /** Files of the machine that have the contents of files beside the compose file. */
  readonly files: Map<string, FileOptions>;
  /** Services that others wait for until they are healthy. */
  readonly awaited: Set<string>;
}

/** Reads one key of a service into the draft. */
export type Key = (value: SourceNode, draft: Draft, project: Project) => void;

/** Reports the keys of a map that have no counterpart in the result. `what`: the thing that the map describes. */
export function loseOthers(
  node: SourceNode | undefined,
  known: readonly string[],
  what: string,
  lost: Lost,
): void {
  for (const { key, at } of membersOf(node))
    if (!known.includes(key) && !key.startsWith('x-')) lost(at, `${key} of ${what} is not taken over`);
}
