import { baselineHealth } from './apply/health.ts';
import { applyMain } from './apply/main.ts';
import { draisineMain } from './cli/main.ts';
import { consoleTerminal } from './install/console.ts';
import { installMain } from './install/main.ts';
import { exit, programArguments, quickjsBox } from './io/quickjs.ts';

const [verb, ...rest] = programArguments();
if (verb === 'install') exit(installMain(quickjsBox, consoleTerminal, rest));
if (verb === 'apply') exit(applyMain(quickjsBox, consoleTerminal, baselineHealth, rest));
exit(draisineMain(quickjsBox, consoleTerminal, programArguments()));
