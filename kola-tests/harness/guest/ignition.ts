/** An Ignition config in JSON, specification 3.0 – 3.3. The harness adds its agent to it. */
export interface IgnitionConfig {
  readonly ignition: { readonly version: string; readonly [key: string]: unknown };
  readonly storage?: { readonly files?: readonly object[]; readonly [key: string]: unknown };
  readonly systemd?: { readonly units?: readonly object[]; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** A config without any setting. */
export const EMPTY_CONFIG: IgnitionConfig = { ignition: { version: '3.3.0' } };

/** Makes a data URL (RFC 2397) for Ignition's `source` of a file. */
export function dataUrl(contents: string | Uint8Array): string {
  return `data:;base64,${Buffer.from(contents).toString('base64')}`;
}
