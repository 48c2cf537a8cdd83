import { exit, print, programArguments, quickjsBox } from './quickjs.ts';

// io.test.ts runs this several times at once under QuickJS: `qjs -m BUNDLE FOLDER LETTER`.
const [folder = '', letter = ''] = programArguments();
const path = `${folder}/file`;
let said = 'whole';
for (let count = 0; count < 100; count++) {
  quickjsBox.writeFile(path, letter.repeat(100_000), { durable: false });
  quickjsBox.symlink(letter, `${folder}/link`);
  const text = quickjsBox.readText(path);
  if (text !== text.charAt(0).repeat(100_000)) said = `torn: ${text.length} characters`;
}
print(`${said}\n`);
exit(0);
