/** Quotes any text as one word for a POSIX shell (POSIX, Shell Command Language, 2.2.2). */
export const shellQuote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** A line of a config file of curl (curl(1), --config). Secrets must not be on a command line. */
export const curlOption = (option: string, value: string): string =>
  `${option} = "${value.replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;
