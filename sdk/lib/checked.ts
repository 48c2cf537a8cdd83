/** A check that ajv has made from a JSON Schema (sdk/schemas.ts). */
export interface Validator {
  (value: unknown): boolean;
  errors?: readonly Fault[] | null;
}

interface Fault {
  /** JSON Pointer (RFC 6901). */
  readonly instancePath: string;
  readonly keyword: string;
  readonly message?: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** The number of characters of a wrong value that an error shows. */
const SHOWN = 80;

/**
 * Checks a value by its schema. `T`: the type that is generated from the schema. Throws the result of `fail`, which
 * gets the place of the fault (`$.packages[3].size`) and its description.
 */
export function checked<T>(
  validate: Validator,
  value: unknown,
  fail: (place: string, what: string) => Error,
): T {
  if (validate(value)) return value as T;
  const fault = validate.errors?.[0];
  if (!fault) throw new Error('a check that failed without a reason');
  const { place, found } = follow(value, fault.instancePath);
  const { allowedValues, pattern } = fault.params;
  let wanted = fault.message ?? fault.keyword;
  if (Array.isArray(allowedValues)) wanted = `must be one of ${allowedValues.join(', ')}`;
  if (pattern === '.' || pattern === '\\S') wanted = 'must not be empty';
  const shown =
    fault.keyword === 'required' ? '' : `, and is ${(JSON.stringify(found) ?? 'nothing').slice(0, SHOWN)}`;
  throw fail(place, `${wanted}${shown}`);
}

/** Finds the value at a JSON Pointer, and its place as a JSON path. */
function follow(value: unknown, pointer: string): { place: string; found: unknown } {
  let place = '$';
  let found = value;
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    place += Array.isArray(found) ? `[${key}]` : /^\w+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    found = (found as Record<string, unknown> | null)?.[key];
  }
  return { place, found };
}
