import assert from 'node:assert/strict';
import type { Fragment } from './fragment.ts';

/** For tests: the text of a file of a fragment, by its path. */
export function textOf(fragment: Fragment, path: string): string {
  const { files = [] } = (fragment.storage ?? {}) as {
    files?: { path: string; contents: { source: string } }[];
  };
  const source = files.find((one) => one.path === path)?.contents.source;
  assert.ok(source, `${path} is not among ${files.map((one) => one.path).join(' ')}`);
  return source.startsWith('data:,')
    ? decodeURIComponent(source.slice(6))
    : Buffer.from(source.slice(13), 'base64').toString();
}
