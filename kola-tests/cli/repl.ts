import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type REPLServer, start, writer } from 'node:repl';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { runInThisContext } from 'node:vm';
import { cacheDir } from '../../sdk/lib/cache.ts';
import { describeFailure, Failure } from '../../sdk/lib/errors.ts';

/** Where the JavaScript of `kola spawn --repl` comes from, and where its results go. */
export interface ReplStreams {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream;
  /** Gets the error that ends a script. */
  readonly errors: NodeJS.WritableStream;
}

const INTRODUCTION = `Each machine is a variable, with the verbs of docs/kola.md: await box.succeed('uname -r')
All of them are in \`machines\`. Ctrl-D ends this, and the machines.
`;

/**
 * JavaScript with top-level await and the machines of a cluster as variables. On a terminal, line by line with a
 * history, until Ctrl-D; any other input is a script, whose first error ends it with exit code 1.
 */
export async function runRepl(
  machines: Readonly<Record<string, unknown>>,
  streams: ReplStreams,
): Promise<number> {
  const variables = { assert, ...machines, machines };
  if (streams.input.isTTY) return await interactive(variables, streams);
  // node:repl does not wait for one line of a script before it begins with the next one.
  return await runScript(await text(streams.input), variables, streams.errors);
}

async function interactive(variables: object, { input, output }: ReplStreams): Promise<number> {
  output.write(INTRODUCTION);
  const server = start({
    input,
    output,
    terminal: true,
    prompt: 'kola> ',
    ignoreUndefined: true,
    writer: shown,
  });
  for (const [name, value] of Object.entries(variables))
    Object.defineProperty(server.context, name, { value, enumerable: true });
  const ended = new Promise<void>((resolve) => server.once('exit', resolve));
  await keepHistory(server);
  await ended;
  return 0;
}

/** Shows a Failure without its stack, because its message is meant for people. */
function shown(value: unknown): string {
  return value instanceof Failure ? describeFailure(value) : inspect(value, writer.options);
}

async function keepHistory(server: REPLServer): Promise<void> {
  const path = join(cacheDir(), 'kola', 'repl-history');
  await mkdir(dirname(path), { recursive: true });
  await new Promise<void>((resolve, reject) =>
    server.setupHistory(path, (error) => (error ? reject(error) : resolve())),
  );
}

async function runScript(source: string, variables: object, errors: NodeJS.WritableStream): Promise<number> {
  const names = Object.keys(variables);
  try {
    const wrapped = `(async ({${names.join(', ')}}) => {\n${source}\n})`;
    const script = runInThisContext(wrapped, { filename: 'stdin', lineOffset: -1 }) as (
      given: object,
    ) => Promise<unknown>;
    await script(variables);
    return 0;
  } catch (error) {
    errors.write(`${describeFailure(error)}\n`);
    return 1;
  }
}
