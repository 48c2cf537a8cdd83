import { register } from 'node:module';

/** The code that runs in Node's thread for module hooks. */
const HOOK = `export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  return /\\.ts(\\?|$)/.test(found.url) ? { ...found, format: 'module' } : found;
}`;

let registered = false;

/**
 * Makes Node load every `.ts` file as an ES module (node:module, "Customization hooks"). Outside of a package
 * with `"type": "module"`, Node takes such a file for CommonJS, and refuses its `require` of our modules.
 */
export function takeAsModules(): void {
  if (!registered) register(`data:text/javascript,${encodeURIComponent(HOOK)}`);
  registered = true;
}
