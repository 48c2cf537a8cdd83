import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Entry } from './base/report.ts';
import { compileButane } from './butane/compile.ts';
import { validate } from './check/validate.ts';
import { translateConfig } from './translate.ts';

/** Mistakes of people, each with the expected hint, and the text after the hint was followed literally. */

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'draisine-slips-'));
  writeFileSync(join(folder, 'there.txt'), 'x');
});
after(() => rmSync(folder, { recursive: true, force: true }));

const verbs = {
  json: async (bytes: Buffer) => (await validate(bytes)).entries,
  butane: async (bytes: Buffer) => (await compileButane(bytes, folder)).entries,
  translate: async (bytes: Buffer) => (await translateConfig(bytes)).entries,
};

const shown = (entries: readonly Entry[]): string =>
  entries
    .map(({ kind, path, line, column, message }) => `${line}:${column} ${kind} ${message} (${path})`)
    .join('\n');

/**
 * The pattern matches `LINE:COLUMN KIND MESSAGE (PATH)`. The corrected text has no findings; undefined: no text can
 * show the correction.
 */
type Slip = readonly [what: string, broken: string | Buffer, said: RegExp, mended: string | undefined];

const V = '{"ignition":{"version":"3.3.0"}';
const file = (more: string): string => `${V},"storage":{"files":[{"path":"/a"${more}}]}}`;
const HEAD = 'variant: fcos\nversion: 1.5.0\n';
const node = (more: string): string => `${HEAD}storage:\n  files:\n    - path: /a\n      ${more}\n`;

const JSON_SLIPS: readonly Slip[] = [
  ...['<mode>', '@MODE@', '$MODE', '__MODE__', `\${mode}`, '{{mode}}', '%d'].map(
    (mark): Slip => [
      `placeholder ${mark}`,
      file(`,"mode":${mark}`),
      /fill the template in first/,
      file(',"mode":420'),
    ],
  ),
  [
    'octal',
    file(',"mode":0644'),
    /^1:\d+ error .*JSON knows no octal: write 420 for 0644/,
    file(',"mode":420'),
  ],
  ['0o644', file(',"mode":0o644'), /decimal numbers alone: write 420/, file(',"mode":420')],
  ['a mode in quotes', file(',"mode":"0644"'), /found a string; write 420 /, file(',"mode":420')],
  ['NaN', file(',"mode":NaN'), /write a whole number/, file(',"mode":420')],
  ['True', file(',"overwrite":True'), /write true, false or null/, `${V}}`],
  ['a comma at the end of all', `${V},}`, /^1:33 error .*remove the comma before it/, `${V}}`],
  [
    'a comma at the end of a list',
    `${V},"storage":{"files":[{"path":"/a"},]}}`,
    /remove the comma/,
    file(''),
  ],
  ['no comma', `${V} "storage":{}}`, /a comma is missing before it/, `${V},"storage":{}}`],
  ['no colon', '{"ignition" {"version":"3.3.0"}}', /a colon is missing before it/, `${V}}`],
  ['a key without quotes', '{ignition:{"version":"3.3.0"}}', /put the key in double quotes/, `${V}}`],
  ['a text without quotes', '{"ignition":{"version":v3}}', /put a text in double quotes/, undefined],
  ['single quotes', "{'ignition':{}}", /strings stand in double quotes/, undefined],
  ['curly quotes', '{“ignition”:{"version":"3.3.0"}}', /straight double quotes/, `${V}}`],
  ['a line break in a text', file(',"user":{"name":"a\nb"}'), /write a line break as \\n/, undefined],
  ['a backslash', `${V},"storage":{"files":[{"path":"/a\\x"}]}}`, /write a backslash as \\\\/, undefined],
  ['a comment', `${V} /* a */}`, /JSON has no comments/, `${V}}`],
  ['cut off', V, /is the file cut off\?/, `${V}}`],
  ['two objects', `${V}}\n{}`, /^2:1 .*remove what follows it/, `${V}}`],
  ['a web page', '<!DOCTYPE html><html>404</html>', /web page or XML/, undefined],
  ['a script', '#!/bin/sh\necho\n', /this is a script/, undefined],
  ['YAML', 'ignition:\n  version: 3.3.0\n', /this is YAML/, `${V}}`],
  ['TOML', '[ignition]\nversion = "3.3.0"\n', /this is TOML or a unit file/, `${V}}`],
  ['UTF-16', Buffer.from(`\ufeff${V}}`, 'utf16le'), /UTF-16: save it as UTF-8/, `${V}}`],
  ['a number as version', '{"ignition":{"version":3.3}}', /found a number; write "3\.3\.0"/, `${V}}`],
  ['a version of two numbers', '{"ignition":{"version":"3.3"}}', /; write "3\.3\.0" /, `${V}}`],
  ['a version with a blank', '{"ignition":{"version":" 3.3.0"}}', /; write "3\.3\.0" /, `${V}}`],
  ['a version with a v', '{"ignition":{"version":"v3.3.0"}}', /; write "3\.3\.0" /, `${V}}`],
  ['no version', '{}', /; write "ignition": \{ "version": "3\.3\.0" \} /, `${V}}`],
  [
    'an object for an array',
    `${V},"storage":{"files":{}}}`,
    /put it in brackets/,
    `${V},"storage":{"files":[{"path":"/a"}]}}`,
  ],
  [
    'a text for an array',
    `${V},"passwd":{"users":[{"name":"a","sshAuthorizedKeys":"k"}]}}`,
    /put it in brackets: \["k"\]/,
    `${V},"passwd":{"users":[{"name":"a","sshAuthorizedKeys":["k"]}]}}`,
  ],
  ['an array for an object', `${V},"systemd":[]}`, /write an object/, `${V},"systemd":{}}`],
  [
    'a number for a text',
    `${V},"passwd":{"users":[{"name":1}]}}`,
    /put it in double quotes: "1"/,
    `${V},"passwd":{"users":[{"name":"1"}]}}`,
  ],
  [
    'a text for a boolean',
    file(',"overwrite":"false"'),
    /write false, without quotes/,
    file(',"overwrite":false'),
  ],
];

const BUTANE_SLIPS: readonly Slip[] = [
  ...(
    [
      ['fcos', 'v1.4.0', 'fcos', '1.4.0'],
      ['fcos', '1', 'fcos', '1.4.0'],
      ['fcos', '3.3.0', 'fcos', '1.4.0'],
      ['fcos', '1.8.0', 'fcos', '1.7.0'],
      ['fcos', '1.8.0-experimental', 'fcos', '1.7.0'],
      ['flatcar', '1.4.0', 'flatcar', '1.0.0'],
      ['flatcar', '1.2.0', 'flatcar', '1.2.0-experimental'],
      ['FCOS', '1.4.0', 'fcos', '1.4.0'],
      ['openshift', '4.14.0', 'fcos', '1.4.0'],
      ['r4e', '1.1.0', 'fcos', '1.1.0'],
    ] as const
  ).map(([variant, version, toVariant, toVersion]): Slip => {
    const version_ = toVersion.replaceAll('.', '\\.');
    const write =
      variant === toVariant
        ? `write version: ${version_} `
        : `write variant: ${toVariant} and version: ${version_} `;
    return [
      `${variant} ${version}`,
      `variant: ${variant}\nversion: ${version}\n`,
      new RegExp(`^[12]:10 error unknown variant .*; ${write}`),
      `variant: ${toVariant}\nversion: ${toVersion}\n`,
    ];
  }),
  ['nothing', '', /write variant: fcos and version: 1\.4\.0 at the top/, 'variant: fcos\nversion: 1.4.0\n'],
  ['a list', '- variant: fcos\n', /write variant: fcos and version/, 'variant: fcos\nversion: 1.4.0\n'],
  [
    'Latin-1',
    Buffer.from(node('contents: {inline: "hä"}'), 'latin1'),
    /^6:28 error not UTF-8; save it as UTF-8/,
    node('contents: {inline: "hä"}'),
  ],
  ['UTF-16', Buffer.from(`\ufeff${HEAD}`, 'utf16le'), /UTF-16: save it as UTF-8/, HEAD],
  ['gzip', Buffer.from([0x1f, 0x8b, 8, 0]), /this is gzip: unpack it/, undefined],
  [
    'a map for a list',
    `${HEAD}storage:\n  files:\n    path: /a\n`,
    /begin each item with a dash/,
    `${HEAD}storage:\n  files:\n    - path: /a\n`,
  ],
  [
    'a text for a list',
    `${HEAD}passwd:\n  users:\n    - name: a\n      ssh_authorized_keys: k\n`,
    /put it in brackets: \[k\]/,
    `${HEAD}passwd:\n  users:\n    - name: a\n      ssh_authorized_keys: [k]\n`,
  ],
  ['a text for a map', node('contents: hello'), /write its keys below it/, node('contents: {inline: hello}')],
  [
    'yes for true',
    node('overwrite: "yes"\n      contents: {inline: x}'),
    /write true without quotes/,
    node('overwrite: true\n      contents: {inline: x}'),
  ],
  ['letters as a mode', node('mode: rw-r--r--'), /write a mode: 0644/, node('mode: 0644')],
  ['a negative mode', node('mode: -1'), /write 0644 for 0644/, node('mode: 0644')],
  ['a mode that is far too large', node('mode: 9999999999'), /write 0644 for 0644/, node('mode: 0644')],
  [
    'a decimal sticky bit',
    node('mode: 1777'),
    /^6:13 error mode 1777 is 03361, .* write 0777, and set the other bits/,
    node('mode: 0777'),
  ],
  [
    'the same, in a spec without it',
    node('mode: 1777').replace('1.5.0', '1.4.0'),
    /^6:13 warning mode 1777 is decimal, which is 03361; write 0777, /,
    node('mode: 0777'),
  ],
  [
    'a placeholder as a path',
    `${HEAD}storage:\n  files:\n    - path: "{{ .Path }}"\n`,
    /fill the template in first/,
    undefined,
  ],
  [
    'a local file that is not there',
    node('contents: {local: nope.txt}'),
    /does not exist; write it from the folder of the config/,
    node('contents: {local: there.txt}'),
  ],
  [
    'a folder as a file',
    node('contents: {local: .}'),
    /take a folder over by storage\.trees/,
    `${HEAD}storage:\n  trees: [{local: ., path: /t}]\n`,
  ],
  [
    'a file below a file',
    node('contents: {local: there.txt/x}'),
    /lies below a file/,
    node('contents: {local: there.txt}'),
  ],
  ['a file of elsewhere', node('contents: {local: /etc/passwd}'), /--files-dir FOLDER/, undefined],
];

const v2 = (version: string, more = ''): string => `{"ignition":{"version":"${version}"}${more}}`;

const TRANSLATED: readonly Slip[] = [
  ['2.2', v2('2.2'), /write "2\.2\.0", then translate it/, v2('2.2.0')],
  ['2.1.0-dev', v2('2.1.0-dev'), /write "2\.1\.0", then translate it/, v2('2.1.0')],
  ['3.6', v2('3.6'), /write "3\.6\.0", then translate it/, v2('3.6.0')],
  ['3.7.0', v2('3.7.0'), /write "3\.6\.0", then translate it/, v2('3.6.0')],
  [
    'a mode in quotes',
    v2('2.2.0', ',"storage":{"files":[{"filesystem":"root","path":"/a","mode":"0644"}]}'),
    /found "0644"; write 420 without quotes/,
    v2('2.2.0', ',"storage":{"files":[{"filesystem":"root","path":"/a","mode":420}]}'),
  ],
  [
    'no filesystem',
    v2('2.2.0', ',"storage":{"files":[{"path":"/a","mode":420}]}'),
    /write "filesystem": "root"/,
    v2('2.2.0', ',"storage":{"files":[{"filesystem":"root","path":"/a","mode":420}]}'),
  ],
  [
    'a key twice',
    v2('2.2.0', ',"storage":{},"storage":{}'),
    /warning key stands twice .*: remove one/,
    v2('2.2.0', ',"storage":{}'),
  ],
  [
    'an object for an array',
    v2('2.2.0', ',"storage":{"files":{}}'),
    /put it in brackets: \[\{…\}\]/,
    v2('2.2.0', ',"storage":{"files":[]}'),
  ],
];

for (const [verb, slips] of [
  ['json', JSON_SLIPS],
  ['butane', BUTANE_SLIPS],
  ['translate', TRANSLATED],
] as const)
  describe(verb, () => {
    for (const [what, broken, said, mended] of slips)
      test(what, async () => {
        const entries = await verbs[verb](Buffer.from(broken));
        assert.match(shown(entries), said);
        if (mended !== undefined) assert.equal(shown(await verbs[verb](Buffer.from(mended))), '');
      });
  });
