/** Root of the SDK's tool tree with QEMU and OVMF; fetched and unpacked first when it is not there. */
export async function qemuTree(): Promise<string> {
  return await toolTree('sdk-qemu');
}

/** Root of a set of the SDK (packages/sets/sdk.ts). */
export async function toolTree(set: string): Promise<string> {
  // Loaded when asked for: the verbs that need no emulator start without the builder.
  const { sdkTree } = await import('../../../build/for-kola.ts');
  return await sdkTree(set);
}
