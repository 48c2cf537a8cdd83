/**
 * Passes on what is typed on this terminal, byte by byte, until `ended` or Ctrl-A X. The terminal is as it was before
 * when this returns.
 */
export async function onTerminal(onBytes: (bytes: Buffer) => void, ended: Promise<void>): Promise<void> {
  const { stdin } = process;
  stdin.setRawMode(true);
  stdin.resume();
  try {
    await new Promise<void>((resolve) => {
      let prefix = false;
      stdin.on('data', (bytes: Buffer) => {
        if (prefix && /^[xX]/.test(bytes.toString())) return resolve();
        prefix = bytes.length === 1 && bytes[0] === 1;
        if (!prefix) onBytes(bytes);
      });
      void ended.then(resolve);
    });
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stdin.removeAllListeners('data');
  }
}
