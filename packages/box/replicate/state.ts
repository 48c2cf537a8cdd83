import { type Box, BoxError, orLog, readTextIfThere } from '../io/box.ts';
import { isoTime, member, optional, parseDocument, string, time } from '../io/fields.ts';

const FOLDER = '/var/lib/draisine/replicate';
const FORMAT = 1;

/** The outcome of a replication's last runs. Times in milliseconds since 1970. */
export interface ReplicationState {
  /** The last snapshot that arrived. */
  readonly success: { readonly at: number; readonly snapshot: string } | undefined;
  /** The reason of the last run's failure; undefined if it succeeded. */
  readonly failure: { readonly at: number; readonly text: string } | undefined;
  /** The reason why old snapshots could not be removed; undefined if they were. */
  readonly leftovers: string | undefined;
}

const fileOf = (name: string): string => `${FOLDER}/${name}.json`;

/** The last success of a replication, and the reason of failures since then. */
export function readReplicationState(box: Box, name: string): ReplicationState {
  const none: ReplicationState = { success: undefined, failure: undefined, leftovers: undefined };
  const path = fileOf(name);
  const text = readTextIfThere(box, path);
  if (text === undefined) return none;
  const read = (): ReplicationState => {
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
      leftovers: optional(member(root, 'leftovers'), (field) => string(field)),
    };
  };
  const what = `the record of replication ${name} cannot be read, so a new one begins`;
  return orLog(box, 'warning', what, read) ?? none;
}

function write(box: Box, name: string, { success, failure, leftovers }: ReplicationState): void {
  box.makeFolder(FOLDER, 0o700);
  const document = {
    format: FORMAT,
    success: success && { ...success, at: isoTime(success.at) },
    failure: failure && { ...failure, at: isoTime(failure.at) },
    leftovers,
  };
  box.writeFile(fileOf(name), `${JSON.stringify(document)}\n`, { mode: 0o600 });
}

/** Records that a snapshot has arrived. */
export function recordSuccess(box: Box, name: string, snapshot: string): void {
  const { leftovers } = readReplicationState(box, name);
  write(box, name, { success: { at: box.now(), snapshot }, failure: undefined, leftovers });
}

/** Records the reason of a failure. */
export function recordFailure(box: Box, name: string, text: string): void {
  const { success, leftovers } = readReplicationState(box, name);
  write(box, name, { success, leftovers, failure: { at: box.now(), text } });
}

/** Records why old snapshots could not be removed, or that they were. */
export function recordLeftovers(box: Box, name: string, leftovers: string | undefined): void {
  const state = readReplicationState(box, name);
  if (state.leftovers !== leftovers) write(box, name, { ...state, leftovers });
}
