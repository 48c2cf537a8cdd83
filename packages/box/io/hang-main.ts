import { print, quickjsBox } from './quickjs.ts';

/* For a test: runs a program with a limit of one second, and prints the outcome. */
print(JSON.stringify(quickjsBox.run(['cat'], { timeoutSeconds: 1 })));
