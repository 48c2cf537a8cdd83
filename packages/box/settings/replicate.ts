import { type Box, BoxError, describeError, readTextIfThere } from '../io/box.ts';
import { type Field, integer, members, parseDocument, string } from '../io/fields.ts';

/**
 * Files of the machine config's `replicate`: NAME.json, NAME.key and NAME.known_hosts for each
 * (ignition/sugar/replicate.ts).
 */
export const REPLICATIONS = '/etc/draisine/replicate';

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

/** The name of a replication, in its files and units. */
export const REPLICATION = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
/** The name of a dataset that is safe for a shell and for ssh(1): not an option, without special characters. */
export const DATASET = /^[A-Za-z][A-Za-z0-9_.-]*(\/[A-Za-z0-9_.:-]+)*$/;

/** The SSH key of a replication. */
export const keyOf = ({ name }: Replication): string => `${REPLICATIONS}/${name}.key`;

/** The accepted host keys of a replication. */
export const knownHostsOf = ({ name }: Replication): string => `${REPLICATIONS}/${name}.known_hosts`;

/** Names of the configured replications. */
export function replicationNames(box: Box): string[] {
  if (box.stat(REPLICATIONS) === undefined) return [];
  return box
    .list(REPLICATIONS)
    .flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : []));
}

const dataset = (field: Field) => string(field, DATASET, 'the name of a dataset');

/**
 * Reads the file of a replication.
 * @throws BoxError with the place of a fault
 */
export const replicationOf = (root: Field): Omit<Replication, 'name'> =>
  members(root, {
    dataset,
    target: dataset,
    user: (field) => string(field, /^[a-z_][a-z0-9_-]*$/, 'the name of a user'),
    host: (field) => string(field, /^[A-Za-z0-9:][A-Za-z0-9.:-]*$/, 'the name or address of a machine'),
    port: (field) => integer(field, 1, 65_535),
    keep: (field) => integer(field, 1, 100_000),
  });

/**
 * Reads a replication of this box.
 * @throws BoxError for an unknown name or a wrong file
 */
export function readReplication(box: Box, name: string): Replication {
  const path = `${REPLICATIONS}/${name}.json`;
  const text = REPLICATION.test(name) ? readTextIfThere(box, path) : undefined;
  if (text === undefined) {
    const names = replicationNames(box);
    throw new BoxError(`there is no replication ${name}`, {
      hint: names.length === 0 ? 'the machine config has none (replicate)' : `there are: ${names.join(', ')}`,
    });
  }
  return { name, ...replicationOf(parseDocument(text, 'the config of a replication', path)) };
}

/** All replications of this box. A fault of one file does not hide the others. */
export function readReplications(
  box: Box,
): { readonly name: string; readonly replication?: Replication; readonly fault?: string }[] {
  return replicationNames(box).map((name) => {
    try {
      return { name, replication: readReplication(box, name) };
    } catch (error) {
      if (!(error instanceof BoxError)) throw error;
      return { name, fault: describeError(error) };
    }
  });
}
