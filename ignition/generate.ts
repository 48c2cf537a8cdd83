import { fileURLToPath } from 'node:url';
import { writeAtomic } from '../sdk/lib/files.ts';
import { generateDeclarations, readSchema, SCHEMA_MINORS } from './schema.ts';

/** Where spec.ts expects the generated types; not committed. */
export const declarationsPath = fileURLToPath(new URL('generated/spec.d.ts', import.meta.url));

/** @param source folder of the unpacked source package */
export async function writeDeclarations(source: string, path = declarationsPath): Promise<void> {
  const schemas = await Promise.all(
    SCHEMA_MINORS.map(async (minor) => [minor, await readSchema(source, minor)] as const),
  );
  await writeAtomic(path, await generateDeclarations(new Map(schemas)));
}
