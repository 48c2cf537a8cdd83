import { unitHealth } from './apply/health.ts';
import { applyMain } from './apply/main.ts';
import { consoleTerminal } from './install/console.ts';
import { installMain } from './install/main.ts';
import { exit, print, programArguments, quickjsBox } from './io/quickjs.ts';

const [verb, ...rest] = programArguments();
if (verb === 'install') exit(installMain(quickjsBox, consoleTerminal, rest));
if (verb === 'apply') exit(applyMain(quickjsBox, consoleTerminal, unitHealth, rest));
print(`${JSON.stringify({ arguments: programArguments(), time: quickjsBox.now() })}\n`);
exit(0);
