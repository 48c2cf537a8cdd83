import xzDecompress from 'xz-decompress'; // CommonJS: no named exports at run time

/**
 * Decompresses xz data with the WebAssembly decoder, without a program of the host. The whole result must fit in
 * memory.
 */
export async function unxz(data: Uint8Array): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const source = new Blob([data]).stream();
  for await (const chunk of new xzDecompress.XzReadableStream(source as ReadableStream<Uint8Array>)) {
    chunks.push(chunk.slice()); // the decoder reuses its buffer
  }
  return Buffer.concat(chunks);
}
