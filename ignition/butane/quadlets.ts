import { dataUrl } from '../base/data-url.ts';
import type { Step } from '../base/step.ts';
import { isObject, type JsonObject } from '../json/value.ts';
import { type Context, listOf } from './desugar.ts';

const FOLDER = '/etc/containers/systemd';

/** Quadlets of flatcar 1.2.0-experimental become files in podman's folders (podman-systemd.unit(5)). */
export function addQuadlets(config: JsonObject, context: Context): JsonObject {
  const { systemd } = config;
  if (!isObject(systemd) || systemd.quadlets === undefined) return config;
  const { quadlets, ...rest } = systemd;
  const storage = isObject(config.storage) ? config.storage : {};
  const files = listOf(storage.files);
  const place = (path: string, contents: unknown, at: readonly Step[]): void => {
    context.alias(['storage', 'files', files.length], at);
    files.push({ path, contents: { source: dataUrl(String(contents)), compression: '' } });
  };
  for (const [index, { name, rootful, contents, dropins }] of listOf(quadlets).entries()) {
    const at = ['systemd', 'quadlets', index];
    const path = `${FOLDER}${rootful === true ? '' : '/users'}/${String(name)}`;
    if (contents !== undefined) place(path, contents, at);
    for (const [number, dropin] of listOf(dropins).entries()) {
      if (dropin.contents === undefined) continue;
      place(`${path}.d/${String(dropin.name)}`, dropin.contents, [...at, 'dropins', number]);
    }
  }
  return { ...config, systemd: rest, storage: { ...storage, files } };
}
