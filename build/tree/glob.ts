import { badInput } from '../../sdk/lib/errors.ts';

/**
 * Globs over `Entry.path`, always against the whole path:
 * `?` one character but `/`; `*` any number of them, also none and also a leading dot; `**` as a whole component
 * any number of components, also none; `{a,b}` alternatives, nestable; `\` takes the next character literally.
 * Everything else is literal, `[` too. A glob has no leading or trailing slash.
 * Compiles all globs into one expression. It also matches every path below a matching path.
 */
export function compileGlobs(globs: readonly string[], where: string): RegExp {
  if (globs.length === 0) return /(?!)/;
  return new RegExp(`^(?:${globs.map((glob) => globSource(glob, where)).join('|')})(?:/|$)`, 's');
}

/** The expression of one glob, without anchors. */
function globSource(glob: string, where: string): string {
  const refuse = (why: string) => badInput(`glob ${JSON.stringify(glob)}: ${why}`, { where });
  if (glob === '' || glob.startsWith('/') || glob.endsWith('/')) {
    throw refuse('must be a path relative to the root, without leading or trailing slash');
  }
  if (glob.split('/').some((part) => part === '' || part === '.' || part === '..'))
    throw refuse('has an empty, "." or ".." component');
  let source = '';
  let depth = 0;
  for (let at = 0; at < glob.length; at += 1) {
    const char = glob[at] ?? '';
    if (char === '\\') {
      at += 1;
      if (at === glob.length) throw refuse('ends with a backslash');
      source += literal(glob[at] ?? '');
    } else if (char === '*' && glob[at + 1] === '*') {
      const begins = at === 0 || glob[at - 1] === '/';
      const ends = at + 2 === glob.length || glob[at + 2] === '/';
      if (!begins || !ends) throw refuse('"**" must be a whole component');
      if (at + 2 === glob.length) source += '.+';
      else {
        source += '(?:[^/]+/)*';
        at += 1; // the slash as well
      }
      at += 1;
    } else if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '{') {
      depth += 1;
      source += '(?:';
    } else if (char === '}' && depth > 0) {
      depth -= 1;
      source += ')';
    } else if (char === ',' && depth > 0) source += '|';
    else source += literal(char);
  }
  if (depth > 0) throw refuse('an unclosed "{"');
  return source;
}

function literal(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
}
