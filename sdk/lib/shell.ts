/** Quotes any text as one word for a POSIX shell (POSIX, Shell Command Language, 2.2.2). */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Quotes the words of a command. */
export const shellWords = (words: readonly string[]): string => words.map(shellQuote).join(' ');

/** The same as `shellQuote`, without quotes if the word does not need them. */
export function shellWord(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : shellQuote(text);
}
