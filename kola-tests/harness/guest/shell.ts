import { shellQuote } from '../../../sdk/lib/shell.ts';
import type { Vm } from '../qemu/vm.ts';
import type { GuestVerbs } from './guest.ts';

/** A shell in the guest, on its own terminal. */
export interface Shell {
  /** Types a text. */
  write(bytes: Uint8Array): void;
  /** Settles when the shell or the machine has ended. */
  readonly ended: Promise<void>;
  /** Stops passing on the output of the console. */
  close(): void;
}

/** The terminal of a shell. */
export interface ShellOptions {
  readonly columns: number;
  readonly rows: number;
  /** TERM of the terminal at the other end. */
  readonly terminal: string;
  onOutput(bytes: Buffer): void;
}

const UNIT = 'draisine-shell.service';

/** Opens a root shell on the serial console of a machine, in place of the getty there. */
export async function openShell(
  machine: Pick<GuestVerbs, 'succeed' | 'waitUntilSucceeds'> & { vm(): Vm },
  { columns, rows, terminal, onOutput }: ShellOptions,
): Promise<Shell> {
  const { console, lost } = machine.vm();
  await machine.succeed(`
    systemctl stop serial-getty@ttyS0.service
    # A shell that was left with Ctrl-A X is still running.
    systemctl stop ${UNIT} 2>/dev/null || :
    stty -F /dev/ttyS0 sane columns ${columns} rows ${rows}
    systemd-run --quiet --collect --unit=${UNIT} --property=StandardInput=tty-force --property=StandardOutput=tty \\
      --property=TTYPath=/dev/ttyS0 --setenv=HOME=/root --setenv=TERM=${shellQuote(terminal)} --working-directory=/root /bin/bash -l`);
  const close = console.onOutput(onOutput);
  const ended = new Promise<void>((resolve) => {
    lost.addEventListener('abort', () => resolve(), { once: true });
    machine.waitUntilSucceeds(`! systemctl is-active --quiet ${UNIT}`, { seconds: 24 * 3600 }).then(
      () => resolve(),
      () => resolve(), // the machine is lost: that has ended the shell too
    );
  });
  return { write: (bytes) => console.write(bytes), ended, close };
}
