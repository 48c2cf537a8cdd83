/**
 * The type of a config in spec 3.3. It is generated from the schema of the pinned source package into
 * `generated/spec.d.ts` (`draisine ignition types`), which adds itself to `SpecTypes`. Until then, a looser type of
 * our own stands in, so that a fresh clone type-checks without a network.
 */

// biome-ignore lint/suspicious/noEmptyInterface: the generated declarations fill it
export interface SpecTypes {}

/** What is known of a config without the schema: its sections. */
export interface UncheckedConfig {
  ignition: { version: string; [key: string]: unknown };
  kernelArguments?: object;
  passwd?: object;
  storage?: object;
  systemd?: object;
}

export type SpecConfig = SpecTypes extends { v3_3: infer Config } ? Config : UncheckedConfig;
