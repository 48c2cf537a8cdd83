import { type Box, BoxError, describeError, readTextIfThere } from '../io/box.ts';
import { isoTime, member, optional, parseDocument, string, time } from '../io/fields.ts';

const FOLDER = '/var/lib/draisine/replicate';
const FORMAT = 1;

/** The outcome of a replication's last runs. Times in milliseconds since 1970. */
export interface ReplicationState {
  /** The last snapshot that arrived. */
  readonly success: { readonly at: number; readonly snapshot: string } | undefined;
  /** The reason of the last run's failure; undefined if it succeeded. */
  readonly failure: { readonly at: number; readonly text: string } | undefined;
}

const fileOf = (name: string): string => `${FOLDER}/${name}.json`;

/** The last success of a replication, and the reason of failures since then. */
export function readReplicationState(box: Box, name: string): ReplicationState {
  const none: ReplicationState = { success: undefined, failure: undefined };
  const path = fileOf(name);
  const text = readTextIfThere(box, path);
  if (text === undefined) return none;
  try {
    const root = parseDocument(text, 'the record of a replication', path);
    if (member(root, 'format').value !== FORMAT) throw new BoxError('it has another format');
    return {
      success: optional(member(root, 'success'), (field) => ({
        at: time(member(field, 'at')),
        snapshot: string(member(field, 'snapshot')),
      })),
      failure: optional(member(root, 'failure'), (field) => ({
        at: time(member(field, 'at')),
        text: string(member(field, 'text')),
      })),
    };
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    box.log(
      'warning',
      `the record of replication ${name} cannot be read, so a new one begins: ${describeError(error)}`,
    );
    return none;
  }
}

function write(box: Box, name: string, { success, failure }: ReplicationState): void {
  box.makeFolder(FOLDER, 0o700);
  const document = {
    format: FORMAT,
    success: success && { ...success, at: isoTime(success.at) },
    failure: failure && { ...failure, at: isoTime(failure.at) },
  };
  box.writeFile(fileOf(name), `${JSON.stringify(document)}\n`, { mode: 0o600 });
}

/** Records that a snapshot has arrived. */
export function recordSuccess(box: Box, name: string, snapshot: string): void {
  write(box, name, { success: { at: box.now(), snapshot }, failure: undefined });
}

/** Records the reason of a failure. */
export function recordFailure(box: Box, name: string, text: string): void {
  const { success } = readReplicationState(box, name);
  write(box, name, { success, failure: { at: box.now(), text } });
}
