/** A word of a command for a POSIX shell, whatever it holds (POSIX, Shell Command Language, 2.2.2). */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** As `shellQuote`, without quotes where the word needs none. */
export function shellWord(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : shellQuote(text);
}
