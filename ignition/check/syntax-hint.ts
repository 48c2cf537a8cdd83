/** Hints for a text with a character that is not JSON. */

/** The text around a character that is not JSON. */
interface Spot {
  readonly before: string;
  /** The text from the character on. */
  readonly after: string;
  /** Ignition's message. */
  readonly message: string;
}

const TEMPLATE = 'a placeholder of a template was left in: fill the template in first';

/** Texts of another format. */
const KINDS: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/^(variant|version):/m, 'this is Butane, in YAML: compile it: draisine ignition compile FILE'],
  [/^#cloud-config\b/, 'this is cloud-config, which is not read: write it as Butane'],
  [/^#!/, 'this is a script, not a config: a unit of the config runs it on the machine'],
  [/^\s*<(!doctype|html|\?xml)/i, 'this is a web page or XML, not a config: see what the server sent'],
  [
    /^(ignition|storage|passwd|systemd):\s*$/m,
    'this is YAML: write it in JSON, or as Butane with variant: and version: at the top',
  ],
  [
    /^\[[\w.-]+\]\s*$/m,
    'this is TOML or a unit file, not JSON: a config is an object: { "ignition": { "version": "3.3.0" } }',
  ],
];

const isTemplate = ({ before, after }: Spot): boolean =>
  /^(\{\{|\{%|%|\$\{|\$[A-Z]|@[A-Z_]+@|__[A-Z_]+__|<%|<[A-Za-z_-]+>)/.test(after) ||
  (/(\{|\$\{?)$/.test(before.slice(-2)) && after.startsWith('{'));

/** Mistakes, each with a way to recognize it; the most certain first. */
const SLIPS: readonly (readonly [(spot: Spot) => boolean, string])[] = [
  [isTemplate, TEMPLATE],
  [
    ({ message }) => message.startsWith('unexpected end'),
    'a quote, bracket or brace is not closed: is the file cut off?',
  ],
  [
    ({ message }) => message.includes('after top-level value'),
    'a config is one object: remove what follows it',
  ],
  [
    ({ message }) => message.includes('exceeded max depth'),
    'no config nests that deep: remove these brackets',
  ],
  [({ message }) => message.includes('in string escape code'), 'write a backslash as \\\\'],
  [({ message }) => message.includes('in \\u hexadecimal'), 'write \\u and four hexadecimal digits'],
  [({ message }) => message.includes('in string literal'), 'write a line break as \\n and a tab as \\t'],
  [
    ({ before, after }) => /[:[,]\s*0[0-7]*$/.test(before) && /^[0-9]/.test(after),
    'JSON knows no octal: write 420 for 0644, 493 for 0755',
  ],
  [
    ({ before, after }) => /[:[,]\s*0$/.test(before) && /^[xob]/i.test(after),
    'JSON knows decimal numbers alone: write 420 for 0644, 493 for 0755',
  ],
  [({ after }) => /^(NaN|[+-]?Infinity|\.\d|\+)/.test(after), 'write a whole number'],
  [({ after }) => /^(True|False|None|yes|no|on|off|undefined)\b/.test(after), 'write true, false or null'],
  [({ after }) => /^[#/]/.test(after), 'JSON has no comments'],
  [({ after }) => /^['`]/.test(after), 'strings stand in double quotes'],
  [({ after }) => /^[\u2018-\u201f\u00ab\u00bb]/.test(after), 'strings stand in straight double quotes: "'],
  [({ before, after }) => /^[}\]]/.test(after) && /,\s*$/.test(before), 'remove the comma before it'],
  [({ before }) => before.trim() === '', 'a config is an object: { "ignition": { "version": "3.3.0" } }'],
  [
    ({ message, after }) => message.includes('object key string') && /^[\w$-]/.test(after),
    'put the key in double quotes',
  ],
  [
    ({ message }) => /after (object key:value pair|array element)/.test(message),
    'a comma is missing before it, or the text before it has a quote too few or too many',
  ],
  [({ message }) => message.includes('after object key'), 'a colon is missing before it'],
  [({ message }) => message.includes('beginning of value'), 'put a text in double quotes'],
];

/** The hint for a character that is not JSON. @param before the text up to it @param after the text from it on */
export function syntaxHint(bytes: Buffer, before: string, after: string, message: string): string {
  const encoding = encodingHint(bytes);
  if (encoding !== undefined) return encoding;
  const text = before + after;
  const isObject = /^\s*\{/.test(text);
  const kind = isObject ? undefined : KINDS.find(([pattern]) => pattern.test(text));
  if (kind) return kind[1];
  const spot = { before, after, message };
  return SLIPS.find(([is]) => is(spot))?.[1] ?? 'see the commas, quotes and brackets around it';
}

/** A hint for a text that is not UTF-8; undefined: its first bytes show no known format. */
export function encodingHint(bytes: Buffer): string | undefined {
  const [first, second, third] = bytes;
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'save it without a byte order mark';
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    return 'UTF-16: save it as UTF-8';
  if (bytes.length > 1 && (first === 0 || second === 0)) return 'UTF-16 or UTF-32: save it as UTF-8';
  if (first === 0x1f && second === 0x8b) return 'this is gzip: unpack it';
  return undefined;
}
