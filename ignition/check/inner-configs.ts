import { gunzipSync } from 'node:zlib';
import { dataOf } from '../base/data-url.ts';
import type { Entry } from '../base/report.ts';
import type { Step } from '../base/step.ts';
import { isObject, type Json, type JsonObject } from '../json/value.ts';
import { MAX_BYTES, validate } from './validate.ts';

/** Ignition's entries for a config inside of another config, at the path of the inner config's URL. */
export interface InnerFinding {
  readonly kind: Entry['kind'];
  readonly path: readonly Step[];
  readonly message: string;
}

/**
 * The bytes that a resource contains, or the reason why they cannot be unpacked. Undefined for resources that are
 * fetched.
 */
function contentsOf(resource: Json): Buffer | string | undefined {
  if (!isObject(resource) || typeof resource.source !== 'string') return undefined;
  const data = dataOf(resource.source);
  if (data === undefined || resource.compression !== 'gzip') return data;
  try {
    return gunzipSync(data, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Ignition's verdict on the configs in `ignition.config` that are contained in the config itself. */
export async function innerConfigs(config: JsonObject): Promise<InnerFinding[]> {
  const { ignition } = config;
  const other = isObject(ignition) && isObject(ignition.config) ? ignition.config : {};
  const merged = Array.isArray(other.merge) ? other.merge : [];
  const resources: { readonly resource: Json; readonly steps: readonly Step[] }[] = [
    ...merged.map((resource, index) => ({ resource, steps: ['merge', index] })),
    ...(other.replace === undefined ? [] : [{ resource: other.replace, steps: ['replace'] }]),
  ];
  const found: InnerFinding[] = [];
  for (const { resource, steps } of resources) {
    const at = ['ignition', 'config', ...steps, 'source'];
    const bytes = contentsOf(resource);
    if (bytes === undefined) continue;
    if (typeof bytes === 'string') {
      found.push({
        kind: 'error',
        path: at,
        message: `contents do not unpack (${bytes}); compress them with gzip`,
      });
      continue;
    }
    const { entries } = await validate(bytes);
    for (const { kind, path, line, column, message } of entries) {
      const place = line > 0 ? `, line ${line} column ${column}` : '';
      const inside = path === '$' ? '' : `, ${path}`;
      found.push({ kind, path: at, message: `in the config that this holds${place}${inside}: ${message}` });
    }
  }
  return found;
}
