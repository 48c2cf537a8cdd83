/** What stands in a text, JSON or YAML, with the offset of each value. The reader decides on the types of scalars. */
export type SourceNode =
  | { readonly kind: 'map'; readonly at: number; readonly members: readonly Member[] }
  | { readonly kind: 'list'; readonly at: number; readonly items: readonly SourceNode[] }
  | {
      readonly kind: 'scalar';
      readonly at: number;
      /** Of a quoted text what it stands for; of others how it is written. */
      readonly text: string;
      readonly quoted: boolean;
    };

/** A map of a text, with the places of its keys. */
export type SourceMap = Extract<SourceNode, { kind: 'map' }>;

/** A key of a map and its value. */
export interface Member {
  readonly key: string;
  /** Offset of the key. */
  readonly at: number;
  readonly value: SourceNode;
}
