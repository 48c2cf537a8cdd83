/** File modes as people write them. */

/** Permission bits that files and directories commonly have. */
const USUAL = new Set([
  ...[0o400, 0o440, 0o444, 0o500, 0o550, 0o555, 0o600, 0o640, 0o644, 0o660, 0o664, 0o666],
  ...[0o700, 0o710, 0o711, 0o750, 0o751, 0o755, 0o770, 0o775, 0o777],
]);

/**
 * Whether a mode with setuid, setgid or sticky bits makes sense: something must be executable or a folder.
 */
const isUsual = (mode: number): boolean =>
  mode <= 0o7777 && USUAL.has(mode & 0o777) && (mode <= 0o777 || (mode & 0o111) !== 0);

/**
 * The octal mode that a person probably meant by decimal digits. `644` in decimal is 01204, which is no usual
 * mode; in octal it is one.
 * Undefined if the digits are a usual mode in decimal (`420` is 0644), or no usual mode in octal.
 */
export function meantMode(digits: string): number | undefined {
  if (!/^[1-7][0-7]{2,3}$/.test(digits)) return undefined;
  const octal = Number.parseInt(digits, 8);
  return isUsual(octal) && !isUsual(Number(digits)) ? octal : undefined;
}

/** The mode that a text in quotes was meant to be: `0644`, `0o644`, `644`. */
export function modeOf(text: string): number | undefined {
  const octal = /^0o?([0-7]{3,4})$/.exec(text)?.[1];
  return octal === undefined ? meantMode(text) : Number.parseInt(octal, 8);
}

/** The mode in octal, e.g. `0644`. */
export const octalText = (mode: number): string => `0${mode.toString(8)}`;
