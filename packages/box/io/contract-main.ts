import { contractFaults, programFaults } from './contract.ts';
import { exit, print, programArguments, quickjsBox } from './quickjs.ts';

// io.test.ts runs this under QuickJS: `qjs -m BUNDLE FOLDER`.
const folder = programArguments()[0]!;
const faults = [...contractFaults(quickjsBox, `${folder}/box`), ...programFaults(quickjsBox, folder)];
print(`${JSON.stringify(faults)}\n`);
exit(0);
