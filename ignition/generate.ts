import { fileURLToPath } from 'node:url';
import { writeAtomic } from '../sdk/lib/files.ts';
import { writeOutput } from '../sdk/lib/output.ts';
import { generateSpec, readSchema, SCHEMA_MINORS } from './schema.ts';

/** The generated module. It is committed. */
export const GENERATED = fileURLToPath(new URL('spec/generated.ts', import.meta.url));

/** Text of the generated module. @param source folder of the unpacked source package */
export async function specModule(source: string): Promise<string> {
  return await generateSpec(await Promise.all(SCHEMA_MINORS.map((minor) => readSchema(source, minor))));
}

/** Writes the module to `path`, or over the committed one. */
export async function writeSpec(source: string, path?: string): Promise<void> {
  const text = await specModule(source);
  await (path === undefined ? writeAtomic(GENERATED, text) : writeOutput(path, text));
}
