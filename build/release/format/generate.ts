import { writeAtomic } from '../../../sdk/lib/files.ts';
import { typesOf } from '../../../sdk/schemas.ts';
import { formats, readSchema } from './schemas.ts';

const TYPES = new URL('types.ts', import.meta.url);

/** The text of types.ts, from the schemas. */
export async function generateTypes(): Promise<string> {
  const parts: string[] = [];
  for (const name of formats) {
    // The compiler changes its input, so it gets a fresh one each time.
    parts.push(await typesOf(await readSchema(name), name, true));
  }
  return `// Generated from the schemas beside it: npx tsx build/release/format/generate.ts. Do not edit.\n\n${parts.join('\n')}`;
}

if (process.argv[1] === import.meta.filename) await writeAtomic(TYPES.pathname, await generateTypes());
