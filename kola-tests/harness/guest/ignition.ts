/** An Ignition config in JSON, specification 3.0 – 3.3. The harness adds its agent to it. */
export interface IgnitionConfig {
  readonly ignition: { readonly version: string; readonly [key: string]: unknown };
  readonly storage?: { readonly files?: readonly object[]; readonly [key: string]: unknown };
  readonly systemd?: { readonly units?: readonly object[]; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** A config that asks for nothing. */
export const EMPTY_CONFIG: IgnitionConfig = { ignition: { version: '3.3.0' } };

/** A file's contents as Ignition's `source`: a data URL (RFC 2397). */
export function dataUrl(contents: string | Uint8Array): string {
  return `data:;base64,${Buffer.from(contents).toString('base64')}`;
}
