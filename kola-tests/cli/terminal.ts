/**
 * Passes on the input of this terminal, byte by byte, until `ended` or Ctrl-A X. Restores the terminal's mode before it
 * returns.
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
