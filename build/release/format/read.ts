import type { SchemaObject, ValidateFunction } from 'ajv';
import { badInput } from '../../../sdk/lib/errors.ts';
import { parseJson } from '../../../sdk/lib/json.ts';
import { FORMAT } from './namespaces.ts';
import { type FormatName, readSchema } from './schemas.ts';
import type { Channel, Envelope, Release, Root, TestReport } from './types.ts';

/** The type of each format, by its name. */
export interface Formats {
  readonly envelope: Envelope;
  readonly root: Root;
  readonly release: Release;
  readonly channel: Channel;
  readonly report: TestReport;
}

const WHAT: Readonly<Record<FormatName, string>> = {
  envelope: 'signed file',
  root: 'root file',
  release: 'release',
  channel: 'channel file',
  report: 'test report',
};

const validators = new Map<FormatName, ValidateFunction>();

async function validatorOf(name: FormatName): Promise<ValidateFunction> {
  let validator = validators.get(name);
  if (!validator) {
    const { Ajv } = await import('ajv'); // loaded late: most runs read no such file
    validator = new Ajv({ allErrors: false, strict: true }).compile((await readSchema(name)) as SchemaObject);
    validators.set(name, validator);
  }
  return validator;
}

/**
 * Parses a document and checks it against its schema. `where`: path or URL for errors.
 * @throws badInput; for the format number of a later Draisine, with the hint to update
 */
export async function parseFormat<N extends FormatName>(
  name: N,
  text: string,
  where: string,
): Promise<Formats[N]> {
  const what = `the ${WHAT[name]}`;
  const hint = 'the file is damaged, or of another kind; fetch or make it again';
  const value = parseJson(text, what, where, hint);
  const { format } = (value ?? {}) as { format?: unknown };
  if (name !== 'envelope' && typeof format === 'number' && format !== FORMAT) {
    throw badInput(`${what} has format ${format}, this Draisine reads ${FORMAT}`, {
      where,
      hint: 'use a newer Draisine',
    });
  }
  const validate = await validatorOf(name);
  if (!validate(value)) {
    const [fault] = validate.errors ?? [];
    throw badInput(`${what} is wrong: ${fault?.instancePath || 'it'} ${fault?.message}`, { where, hint });
  }
  return value as Formats[N];
}
