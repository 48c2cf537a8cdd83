/** Root of the SDK's tool tree with QEMU and OVMF; fetched and unpacked first when it is not there. */
export async function qemuTree(): Promise<string> {
  // Loaded when asked for: the verbs that need no emulator start without the builder.
  const { sdkTree } = await import('../../build/image/sdk.ts');
  return await sdkTree('sdk-qemu');
}
