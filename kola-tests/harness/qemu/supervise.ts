import { spawn } from 'node:child_process';
import type { ToolCommand } from '../../../sdk/tool.ts';

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** The last 16 KiB of its output. */
  readonly output: string;
}

/** A process that ends with the harness. */
export interface Supervised {
  /** Resolves when the process has ended, for any reason. It never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** The last 16 KiB of its output so far. */
  said(): string;
  /** Ends it with SIGKILL. Resolves when it has ended. */
  kill(): Promise<ProcessEnd>;
}

/**
 * The supervisor's standard input is a pipe that only the harness holds. When the harness ends, even by SIGKILL, the
 * pipe ends too. Then the supervisor kills QEMU and removes its folder. (prctl(PR_SET_PDEATHSIG) would do the same, but
 * neither Node nor sh offers it.) The word `stop` before the end means that QEMU was ended on purpose, and the folder
 * stays. The shell closes its output first, because the harness's end of it may be closed when the shell reports the
 * death of a child.
 */
const SUPERVISOR = `
dir=$1
shift
exec 3<&0
"$@" </dev/null 3<&- &
qemu=$!
echo "$qemu" >"$dir/qemu.pid"
(
  read -r word <&3
  # Not with \`:\`, because its failed redirection would end the shell (POSIX, 2.8.1). The folder may be removed
  # already.
  [ "$word" = stop ] || true 2>/dev/null >"$dir/orphaned"
  kill -KILL "$qemu" 2>/dev/null
) &
watch=$!
exec 3<&- >/dev/null 2>&1
wait "$qemu"
code=$?
if [ -e "$dir/orphaned" ]; then rm -rf "$dir"; fi
kill "$watch" 2>/dev/null
exit "$code"
`;

const OUTPUT_LIMIT = 16 * 1024;

/** Starts a command under a supervisor that ends it when this process ends. `dir` receives `qemu.pid`. */
export async function supervise(command: ToolCommand, dir: string): Promise<Supervised> {
  const child = spawn(
    '/bin/sh',
    ['-c', SUPERVISOR, 'draisine-supervisor', dir, command.file, ...command.args],
    {
      env: { ...command.env, PATH: '/usr/bin:/bin:/usr/sbin:/sbin' },
      stdio: ['pipe', 'pipe', 'pipe'],
      // It has its own session, so Ctrl-C on the terminal reaches only the harness, which then ends its machines in
      // order.
      detached: true,
    },
  );
  let output = '';
  const keep = (text: string): void => {
    output = (output + text).slice(-OUTPUT_LIMIT);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  child.stdin.on('error', () => {}); // The supervisor has ended already, and `ended` has the reason.
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once('close', (code, signal) =>
      resolve({ code: code ?? undefined, signal: signal ?? undefined, output }),
    );
  });
  return {
    ended,
    said: () => output,
    kill: () => {
      child.stdin.end('stop\n');
      return ended;
    },
  };
}
