/** The values of a text (JSON or YAML), each with its offset. The reader decides on the types of scalars. */
export type SourceNode =
  | { readonly kind: 'map'; readonly at: number; readonly members: readonly Member[] }
  | { readonly kind: 'list'; readonly at: number; readonly items: readonly SourceNode[] }
  | {
      readonly kind: 'scalar';
      readonly at: number;
      /** A quoted text without its quotes and escapes; any other scalar as it is written. */
      readonly text: string;
      readonly quoted: boolean;
    };

/** A map of a text, with the offsets of its keys. */
export type SourceMap = Extract<SourceNode, { kind: 'map' }>;

/** A key of a map and its value. */
export interface Member {
  readonly key: string;
  /** Offset of the key. */
  readonly at: number;
  readonly value: SourceNode;
}
