import { describe, test } from 'node:test';
import { runCommand } from '../../sdk/tool.ts';
import { chosenChecks } from './checks.ts';
import { readStaticOptions } from './options.ts';

const { checkout, tools, patterns } = readStaticOptions();

describe('static checks', { concurrency: true }, () => {
  for (const { name, command } of chosenChecks(patterns)) {
    test(name, async ({ signal }) => {
      await runCommand(await command(checkout, tools), name, { cwd: checkout, signal });
    });
  }
});
