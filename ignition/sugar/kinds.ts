import { badInput } from '../../sdk/lib/errors.ts';

/** Kinds of values of a machine config, and the combinations of them that an option may have. */
interface Combinations {
  text: 'text';
  number: 'number';
  flag: 'flag';
  list: 'list';
  map: 'map';
  'text|number': 'text' | 'number';
  'text|flag': 'text' | 'flag';
  'text|list': 'text' | 'list';
  'text|map': 'text' | 'map';
}

type KindOf<Value> = Value extends string
  ? 'text'
  : Value extends number
    ? 'number'
    : Value extends boolean
      ? 'flag'
      : Value extends readonly unknown[]
        ? 'list'
        : 'map';

type CombinationOf<Kind> = {
  [Name in keyof Combinations]: [Kind] extends [Combinations[Name]]
    ? [Combinations[Name]] extends [Kind]
      ? Name
      : never
    : never;
}[keyof Combinations];

type Kinds<Value> = CombinationOf<KindOf<NonNullable<Value>>>;

/**
 * The names of all options of a type with the kinds of their values, as a value. `!` marks an option that must be there.
 * The type checker rejects a missing name, an additional one, and a wrong kind.
 */
export type Names<Options> = {
  readonly [Name in keyof Required<Options>]: `${Kinds<Options[Name]>}${Record<never, never> extends Pick<Options, Name> ? '' : '!'}`;
};

type ValueOf<Options, Name> = Options extends unknown
  ? Name extends keyof Options
    ? Options[Name]
    : never
  : never;

/** The same for a type, or for all types of a union together. */
export type AllNames<Options> = {
  readonly [Name in Options extends object ? keyof Options : never]:
    | Kinds<ValueOf<Options, Name>>
    | `${Kinds<ValueOf<Options, Name>>}!`;
};

const WORDS = {
  text: { is: 'a text', hint: "write it in quotes: '…'" },
  number: { is: 'a number', hint: 'write it without quotes' },
  flag: { is: 'true or false', hint: 'write it without quotes' },
  list: { is: 'a list', hint: 'write it in brackets: […]' },
  map: { is: 'a set of options', hint: 'write it in braces: { … }' },
} as const;

function kindOf(value: unknown): keyof typeof WORDS | undefined {
  if (Array.isArray(value)) return 'list';
  const kinds = { string: 'text', number: 'number', boolean: 'flag', object: 'map' } as const;
  return value === null ? undefined : kinds[typeof value as keyof typeof kinds];
}

/** Refuses a value of another kind. `allowed`: kinds with `|` between them. */
export function checkKind(value: unknown, allowed: string, where: string): void {
  const kind = kindOf(value);
  const kinds = allowed.split('|') as (keyof typeof WORDS)[];
  if (kind !== undefined && kinds.includes(kind)) return;
  const wanted = kinds.map((each) => WORDS[each].is).join(' or ');
  throw badInput(`this is ${kind === undefined ? String(value) : WORDS[kind].is}, and must be ${wanted}`, {
    where,
    hint:
      kind === undefined
        ? 'give it a value, or leave it out'
        : kinds.map((each) => WORDS[each].hint).join(', or '),
  });
}

/**
 * Refuses values of other kinds than an option has, and options that are missing. Compiling a config runs it and does
 * not check its types: a text in place of a list would be taken letter by letter.
 * @param known as Names has it; values that are not text are not checked here
 */
export function checkKinds(options: object, known: object, where: string): void {
  for (const [name, kinds] of Object.entries(known)) {
    if (typeof kinds !== 'string') continue;
    const value = (options as { readonly [name: string]: unknown })[name];
    const at = where === 'machine' ? name : `${where}.${name}`;
    if (value !== undefined) checkKind(value, kinds.replace('!', ''), at);
    else if (kinds.endsWith('!')) throw badInput(`${name} is missing`, { where });
  }
}
