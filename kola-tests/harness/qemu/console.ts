import type { Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { Failure } from '../../../sdk/lib/errors.ts';
import { type Patience, poll } from './wait.ts';

/** The guest's serial console. */
export interface GuestConsole {
  /** The last 256 KiB, without escape sequences. */
  text(): string;
  /** The last `count` lines that are not empty. */
  tail(count: number): string;
  /** Types on the console. */
  write(input: string | Uint8Array): void;
  /** Calls `listener` with each piece of output until the returned function is called. */
  onOutput(listener: (bytes: Buffer) => void): () => void;
  /** Waits for the first match in the output after `since` (a value of `position()`); default: in all kept output. */
  waitFor(pattern: RegExp, patience: Patience & { readonly since?: number }): Promise<RegExpExecArray>;
  /** Characters printed so far. */
  position(): number;
  /** The text that shows that the guest is lost, if there is one. It is set before the call of `onDoom`. */
  doom(): Failure | undefined;
}

const RING = 256 * 1024;
/** A guest with more output than this has a fault, and its log would fill the disk. */
const FLOOD = 64 * 1024 * 1024;

/** Console output after which the guest is lost. */
const DOOMED: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  { pattern: /\*\*\* Boot stops here.*/, what: 'the machine could not start' },
  { pattern: /Kernel panic - not syncing: .*/, what: 'the kernel panicked' },
  {
    pattern: /You are in (?:emergency|rescue) mode|Entering emergency mode|Reached target .*Emergency Mode/,
    what: 'the guest is in emergency mode',
  },
  { pattern: /Ignition failed: .*/, what: 'Ignition failed' },
  { pattern: /UEFI Interactive Shell v/, what: 'the firmware found nothing to boot' },
  { pattern: /BdsDxe: No bootable option or device was found/, what: 'the firmware found nothing to boot' },
];

/** Reads a console. `onDoom` is called once if the output shows that the guest is lost. */
export function openConsole(socket: Socket, onDoom: (failure: Failure) => void): GuestConsole {
  const decoder = new StringDecoder('utf8');
  let kept = '';
  /** The beginning of an escape sequence whose rest has not come yet. */
  let held = '';
  let dropped = 0;
  let doom: (() => Failure) | undefined;

  socket.on('data', (chunk: Buffer) => {
    const text = held + decoder.write(chunk);
    const whole = text.length - unfinished(text);
    held = text.slice(whole);
    const fresh = plainText(text.slice(0, whole));
    // A pattern may cross the border of two chunks. So the incomplete line is searched again.
    const from = kept.lastIndexOf('\n') + 1;
    kept += fresh;
    if (!doom) lookForDoom(kept.slice(from));
    if (!doom && dropped > FLOOD) {
      doom = () => new Failure(`the guest floods its console\n${indent(tail(5))}`);
      onDoom(doom());
    }
    if (kept.length > 2 * RING) {
      dropped += kept.length - RING;
      kept = kept.slice(-RING);
    }
  });
  socket.on('error', () => {}); // vm.ts notices the end of QEMU.

  function lookForDoom(text: string): void {
    for (const { pattern, what } of DOOMED) {
      const found = pattern.exec(text);
      if (!found) continue;
      const said = (): string => pattern.exec(kept.slice(-RING))?.[0].trim() ?? found[0];
      const told = (): Failure => new Failure(`${what}: ${said()}\n${indent(tail(25))}`);
      doom = told;
      // The report includes the rest of the line and the text right after it: a stack trace, or the reason.
      setTimeout(() => onDoom(told()), 300).unref();
      return;
    }
  }

  function tail(count: number): string {
    return kept
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-count)
      .join('\n');
  }

  return {
    text: () => kept,
    tail,
    write: (input) => void socket.write(input),
    onOutput: (listener) => {
      socket.on('data', listener);
      return () => socket.off('data', listener);
    },
    position: () => dropped + kept.length,
    doom: () => doom?.(),
    waitFor: async (pattern, { since = 0, ...patience }) =>
      await poll(
        `${pattern} on the console`,
        async () =>
          new RegExp(pattern.source, pattern.flags.replace('g', '')).exec(
            kept.slice(Math.max(0, since - dropped)),
          ) ?? undefined,
        patience,
      ),
  };
}

/**
 * Formats text as a quotation in a report: with a mark before each line, long lines cut, and without control
 * characters.
 */
export function indent(text: string): string {
  return harmless(text).replace(
    /^.*$/gm,
    (line) => `  | ${line.length > 240 ? `${line.slice(0, 240)}…` : line}`,
  );
}

/**
 * Removes escape sequences (ECMA-48: CSI with its parameters, OSC up to its end, two-character ones) and carriage
 * returns.
 */
export function plainText(text: string): string {
  return text.replace(/\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|\r/g, '');
}

/** Longest escape sequence. A longer text is none, or has no end. */
const LONGEST_SEQUENCE = 4096;

/** The number of characters at the end of a text that are the beginning of an incomplete escape sequence. */
function unfinished(text: string): number {
  const begun = /\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)$/.exec(text.slice(-LONGEST_SEQUENCE));
  return begun?.[0].length ?? 0;
}

/** Removes all other control characters: C0 except for tab and newline, C1, and DEL. */
function harmless(text: string): string {
  return plainText(text).replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '\ufffd');
}
