/** Documents that are hardly configs: broken syntax, duplicate keys, other encodings, extreme depth. */

const LINES = String.raw`
null
true
0
"x"
[]
{}
{
[
{"
{"a
{"a"
{"a":
{"a":1
{"a":1,
{"a":1,}
[1,]
[1 2]
{} {}
{}x
-
01
1.
1e
.5
+1
tru
nul
NaN
{'a':1}
{a:1}
{"a":"\x"}
{"a":"\u12g4"}
%
\
'
"
{"ignition":null}
{"ignition":[]}
{"ignition":{}}
{"ignition":{"version":null}}
{"ignition":{"version":3}}
{"ignition":"3.3.0"}
{"ignition":{"version":"2.3.0"},"storage":5}
{"storage":5,"ignition":{"version":"3.3.0"}}
{"IGNITION":{"VERSION":"3.3.0"}}
{"ignition":{"version":"3.3.0","Version":"3.2.0"}}
{"ignition":{"version":"3.2.0"},"Ignition":{"version":"3.3.0"}}
{"ignition":{"version":"3.3.0"},"ignition":null}
{"ignition":null,"ignition":{"version":"3.3.0"}}
{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/a"},{"path":"/b"},{"path":"c"}]},"storage":{"files":[{},{"overwrite":true}]}}
{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/a"},{"path":"/b"}],"files":[{}],"files":[{},{},{}]}}
{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/a"}],"files":null,"files":[{}]}}
{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/a"}],"files":[],"files":[{}]}}
{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/a","mode":5,"mode":null}],"Files":[{"mode":9999}]}}
{"ignition":{"version":"3.3.0"},"storage":{"files":[null,null]}}
{"ignition":{"version":"3.2.0"},"storage":{"luks":[{"name":"a","device":"/b","clevis":{"custom":{"pin":"tpm2","config":"x"}},"clevis":{"tpm2":true}}]}}
{"ignition":{"version":"3.2.0"},"storage":{"luks":[{"name":"a","device":"/b","clevis":{"custom":{"pin":"tpm2","config":"x"}},"clevis":null,"clevis":{"tpm2":true}}]}}
{"ignition":{"version":"3.2.0"},"storage":{"luks":[{"name":"a","device":"/b","clevis":{"custom":null,"tpm2":true}},{"name":"c","device":"/b","clevis":{"custom":{},"tpm2":true}}]}}
{"ignition":{"version":"3.3.0"},"passwd":{"users":[{"name":"\ud800"},{"name":"\udc00"},{"name":"\ud83d\ude00"}]}}
{"ignition":{"version":"3.3.0"},"x":1e400,"y":1}
`;

/** A config with two partition labels of raw bytes: what is no UTF-8 counts as one replacement character a byte. */
function labels(hex: string): Buffer {
  const head =
    '{"ignition":{"version":"3.3.0"},"storage":{"disks":[{"device":"/a","partitions":[{"number":1,"label":"';
  const middle = `${'x'.repeat(30)}"},{"label":"`;
  return Buffer.concat([
    Buffer.from(head),
    Buffer.from(hex, 'hex'),
    Buffer.from(middle),
    Buffer.from(hex.repeat(9), 'hex'),
    Buffer.from('"}]}]}}'),
  ]);
}

const CONFIG = '{"ignition":{"version":"3.3.0"}}';
const BROKEN_UTF8 = ['ff', 'c3', 'e282', 'eda080', 'f0908080', 'f5808080', 'c0af', 'e28261', 'f09f98'];
const nested = (open: string, close: string, depth: number, core = ''): string =>
  open.repeat(depth) + core + close.repeat(depth);

export const odd: readonly Buffer[] = [
  ...LINES.trim().split('\n'),
  ...['', ' ', '\n', '{}\n\n', '// x\n{}', '{"a":"\n"}', '{"a":"\u0000"}', '\u0000'],
  'ignition:\n  version: 3.3.0\n',
  nested('[', ']', 10_000),
  nested('[', ']', 10_001),
  `{"ignition":{"version":"3.3.0"},"x":${nested('[', ']', 9_999)}}`,
  `{"ignition":{"version":"3.3.0"},"x":${nested('{"x":', '}', 9_999, '1')}}`,
  `\ufeff${CONFIG}`,
  Buffer.from(CONFIG, 'utf16le'),
  Buffer.from(`\ufeff${CONFIG}`, 'utf16le'),
  Buffer.from(`\0${CONFIG.split('').join('\0')}`),
  CONFIG.slice(0, -1),
  ...BROKEN_UTF8.map(labels),
].map((document) => Buffer.from(document as string));
