import { fileURLToPath } from 'node:url';
import { writeAtomic } from '../sdk/lib/files.ts';
import { writeOutput } from '../sdk/lib/output.ts';
import { generateDeclarations, readSchema, SCHEMA_MINORS } from './schema.ts';

/** Where spec.ts expects the generated types; not committed. */
const declarationsPath = fileURLToPath(new URL('generated/spec.d.ts', import.meta.url));

/** @param source folder of the unpacked source package
 *  @param path where to, instead of there */
export async function writeDeclarations(source: string, path?: string): Promise<void> {
  const schemas = await Promise.all(
    SCHEMA_MINORS.map(async (minor) => [minor, await readSchema(source, minor)] as const),
  );
  const text = await generateDeclarations(new Map(schemas));
  await (path === undefined ? writeAtomic(declarationsPath, text) : writeOutput(path, text));
}
