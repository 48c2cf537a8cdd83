import { register } from 'node:module';

/** What is loaded into Node's thread for module hooks. */
const HOOK = `export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  return /\\.ts(\\?|$)/.test(found.url) ? { ...found, format: 'module' } : found;
}`;

let registered = false;

/**
 * Has every `.ts` file loaded as an ES module (node:module, "Customization hooks"). Outside of a package that says so,
 * Node takes one for CommonJS, and refuses its `require` of modules of ours.
 */
export function takeAsModules(): void {
  if (!registered) register(`data:text/javascript,${encodeURIComponent(HOOK)}`);
  registered = true;
}
