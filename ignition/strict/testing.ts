import assert from 'node:assert/strict';
import { dataUrl } from '../base/data-url.ts';
import { readValid, validate } from '../check/validate.ts';
import type { JsonObject } from '../json/value.ts';
import { otherConfigs, readFiles } from './contents.ts';
import type { Finding } from './finding.ts';
import { readUnits } from './units.ts';

/** A valid config with these sections, in the form that checks get. */
export async function subject(sections: JsonObject) {
  const bytes = Buffer.from(JSON.stringify({ ignition: { version: '3.3.0' }, ...sections }));
  assert.deepEqual(
    (await validate(bytes)).entries.filter(({ kind }) => kind === 'error'),
    [],
  );
  const { value: config } = readValid(bytes);
  const findings = otherConfigs(config);
  const files = await readFiles(config, findings);
  return { config, files, units: readUnits(config, files), findings };
}

export const file = (path: string, text: string, more: JsonObject = {}): JsonObject => ({
  path,
  contents: { source: dataUrl(text) },
  ...more,
});
export const quadlets = (texts: { readonly [name: string]: string }): JsonObject => ({
  storage: {
    files: Object.entries(texts).map(([name, text]) => file(`/etc/containers/systemd/${name}`, text)),
  },
});
export const unit = (name: string, contents?: string, more: JsonObject = {}): JsonObject => ({
  name,
  ...(contents === undefined ? {} : { contents }),
  ...more,
});
export const units = (...list: JsonObject[]): JsonObject => ({ systemd: { units: list } });
export const lines = (findings: readonly Finding[]): string[] =>
  findings.map(({ path, message }) => `${path.join('.')} ${message}`);

export const CONTAINER = '[Container]\nImage=docker.io/library/a:1\n';
export const INSTALL = '[Install]\nWantedBy=multi-user.target\n';
