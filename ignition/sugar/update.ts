import { POLICY, policyOf, type UpdatePolicy } from '../../packages/box/settings/update.ts';
import type { Text } from '../base/secret.ts';
import { file } from './file.ts';
import { type Fragment, mergeFragments } from './fragment.ts';
import { settings } from './settings.ts';

/** The update policy, and the keys that the machine trusts. */
export interface UpdateOptions<Pool extends string = string, Container extends string = string>
  extends UpdatePolicy<Pool, Container> {
  /** The text of root.json: keys that are trusted instead of the built-in ones. */
  readonly root?: Text;
}

/** The update policy of a machine: /etc/draisine/update.json, and the keys it trusts. */
export function update(options: UpdateOptions, zone?: string): Fragment {
  const { root, ...policy } = options;
  const document = { format: 1, ...policy, zone: policy.zone ?? zone };
  // A URL with a password: https://box:password@updates.example
  const isSecret = /:\/\/[^/\s"]*@/.test(JSON.stringify(document));
  return mergeFragments(
    settings(POLICY, document, 'update', policyOf, { indent: 2, ...(isSecret ? { mode: 0o600 } : {}) }),
    ...(root === undefined ? [] : [file('/etc/draisine/root.json', { contents: root, mode: 0o644 })]),
  );
}
