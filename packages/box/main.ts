import { exit, print, programArguments, quickjsBox } from './io/quickjs.ts';

print(`${JSON.stringify({ arguments: programArguments(), time: quickjsBox.now() })}\n`);
exit(0);
