import { register } from 'node:module';

/**
 * The code that runs in Node's thread for module hooks. tsx adds a question to the URL of a file that it takes for
 * CommonJS and that a module imports by name (`…/x.ts%3Ftsx-commonjs-export-preparse=1?…`).
 */
const HOOK = `export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  const [file] = /^file:[^?]*?\\.ts(?=%3Ftsx-|[?]|$)/.exec(found.url) ?? [];
  if (file === undefined) return found;
  return { ...found, url: found.url.startsWith(file + '%3F') ? file : found.url, format: 'module' };
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
