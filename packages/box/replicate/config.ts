import { type Box, BoxError, readTextIfThere } from '../io/box.ts';
import { integer, member, parseDocument, string } from '../io/fields.ts';

/**
 * Files of the machine config's `replicate`: NAME.json, NAME.key and NAME.known_hosts for each
 * (ignition/sugar/replicate.ts).
 */
const FOLDER = '/etc/draisine/replicate';

/** A dataset that is sent to another machine. */
export interface Replication {
  readonly name: string;
  readonly dataset: string;
  readonly user: string;
  readonly host: string;
  readonly port: number;
  /** The dataset at the target. */
  readonly target: string;
  /** Number of its snapshots that stay at the target. */
  readonly keep: number;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
/** A word that is safe for a shell and for ssh(1): not an option, without special characters. */
const DATASET = /^[A-Za-z][A-Za-z0-9_.-]*(\/[A-Za-z0-9_.:-]+)*$/;

/** The SSH key of a replication. */
export const keyOf = ({ name }: Replication): string => `${FOLDER}/${name}.key`;

/** The accepted host keys of a replication. */
export const knownHostsOf = ({ name }: Replication): string => `${FOLDER}/${name}.known_hosts`;

/** Names of the configured replications. */
export function replicationNames(box: Box): string[] {
  if (box.stat(FOLDER) === undefined) return [];
  return box.list(FOLDER).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : []));
}

/**
 * Reads a replication.
 * @throws BoxError for an unknown name or a wrong file
 */
export function readReplication(box: Box, name: string): Replication {
  const path = `${FOLDER}/${name}.json`;
  const text = NAME.test(name) ? readTextIfThere(box, path) : undefined;
  if (text === undefined) {
    const names = replicationNames(box);
    throw new BoxError(`there is no replication ${name}`, {
      hint: names.length === 0 ? 'the machine config has none (replicate)' : `there are: ${names.join(', ')}`,
    });
  }
  const root = parseDocument(text, 'the config of a replication', path);
  const dataset = (key: string) => string(member(root, key), DATASET, 'the name of a dataset');
  return {
    name,
    dataset: dataset('dataset'),
    target: dataset('target'),
    user: string(member(root, 'user'), /^[a-z_][a-z0-9_-]*$/, 'the name of a user'),
    host: string(member(root, 'host'), /^[A-Za-z0-9:][A-Za-z0-9.:-]*$/, 'the name or address of a machine'),
    port: integer(member(root, 'port'), 1, 65_535),
    keep: integer(member(root, 'keep'), 1, 100_000),
  };
}
