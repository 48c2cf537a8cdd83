/** Root of the SDK's tool tree with QEMU and OVMF. It is fetched and unpacked if it is missing. */
export async function qemuTree(): Promise<string> {
  return await toolTree('sdk-qemu');
}

/** Root of the tool tree of a set of the SDK (packages/sets/sdk.ts). */
export async function toolTree(set: string): Promise<string> {
  // Loaded late, because verbs that need no emulator do not need the builder.
  const { sdkTree } = await import('../../../build/for-kola.ts');
  return await sdkTree(set);
}
