import * as std from 'quickjs-std';
import type { Terminal } from './terminal.ts';

/** The terminal that the program was started from. */
export const consoleTerminal: Terminal = {
  print(line) {
    std.out.puts(`${line}\n`);
    std.out.flush();
  },
  complain(line) {
    std.err.puts(`${line}\n`);
    std.err.flush();
  },
  ask(question) {
    std.out.puts(question);
    std.out.flush();
    return std.in.getline()?.trim();
  },
};
