import { writeAtomic } from '../../../sdk/lib/files.ts';
import { typesOf } from '../../../sdk/schemas.ts';
import { formats, readSchema } from './schemas.ts';

const TYPES = new URL('types.ts', import.meta.url);

/** types.ts, out of the schemas. */
export async function generateTypes(): Promise<string> {
  const parts: string[] = [];
  for (const name of formats) {
    // The compiler writes into what it is given: each time a fresh one.
    parts.push(await typesOf(await readSchema(name), name, true));
  }
  return `// Generated from the schemas beside it: npx tsx build/release/format/generate.ts. Do not edit.\n\n${parts.join('\n')}`;
}

if (process.argv[1] === import.meta.filename) await writeAtomic(TYPES.pathname, await generateTypes());
