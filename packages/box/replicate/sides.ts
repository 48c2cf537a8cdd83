import { type Box, BoxError, mustRun, type Ran } from '../io/box.ts';
import { shellQuote } from '../io/quote.ts';
import { keyOf, knownHostsOf, type Replication } from '../settings/replicate.ts';
import { faultOf, type Point, type Source, type Target } from './decide.ts';

/* The state of both sides, from zfs(8) here and there. */

const ASKING = { timeoutSeconds: 300 };
const POINTS = ['-o', 'name,guid,createtxg', '-s', 'createtxg'];

/** Code of an error that another attempt may overcome. */
export class LinkDown extends BoxError {}

/**
 * Options of ssh: the host key must be the one of the config, and this machine's own ssh configuration is not
 * used.
 */
function sshWords(replication: Replication): string[] {
  const { user, host, port, name } = replication;
  const options = [
    ...['BatchMode=yes', 'IdentitiesOnly=yes', 'ClearAllForwardings=yes', 'UpdateHostKeys=no'],
    ...['StrictHostKeyChecking=yes', `UserKnownHostsFile=${knownHostsOf(replication)}`],
    ...['GlobalKnownHostsFile=/dev/null', `HostKeyAlias=${name}`],
    ...['ConnectTimeout=30', 'ServerAliveInterval=15', 'ServerAliveCountMax=4'],
  ];
  const words = ['ssh', '-F', 'none', '-T', '-p', String(port), '-i', keyOf(replication)];
  return [...words, ...options.flatMap((option) => ['-o', option]), '-l', user, '--', host];
}

function failed({ host }: Replication, what: string, { code, stdout, stderr }: Ran): BoxError {
  const lines = (stderr.trim() || stdout.trim()).split('\n');
  // zfs receive(8) prints advice of several lines.
  const told = lines.filter((line) => line.startsWith('cannot '));
  const said = (told.length > 0 ? told : lines).slice(-3).join('; ');
  const fault = faultOf(code, stderr);
  if (!fault) return new BoxError(`${what}: ${said === '' ? `exit code ${code}` : said}`, { where: host });
  const details = { where: host, hint: fault.hint };
  const text = `${what}: ${fault.what}${said === '' ? '' : ` (${said})`}`;
  return fault.link ? new LinkDown(text, details) : new BoxError(text, details);
}

/** Runs zfs(8) at the target. */
export function atTarget(box: Box, replication: Replication, what: string, words: readonly string[]): string {
  const ran = box.run([...sshWords(replication), ...words], ASKING);
  if (ran.code !== 0) throw failed(replication, what, ran);
  return ran.stdout;
}

/** Words of usr/lib/draisine/receive, which keeps a number of snapshots (`ssh.receive`, `floor`). */
const STAYS = /at least \d+ snapshots of a dataset stay/;

/** Removes snapshots at the target, until it keeps one. Returns those that are gone. */
export function removeAtTarget(box: Box, replication: Replication, going: readonly Point[]): Point[] {
  const gone: Point[] = [];
  for (const point of going) {
    const ran = box.run([...sshWords(replication), 'zfs', 'destroy', point.name], ASKING);
    if (ran.code !== 0 && STAYS.test(ran.stderr)) break;
    if (ran.code !== 0) throw failed(replication, `cannot remove ${point.name}`, ran);
    gone.push(point);
  }
  return gone;
}

const pointsOf = (text: string): Point[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', guid = '', createtxg = ''] = line.split('\t');
      return { name, guid, createtxg: Number(createtxg) };
    });

/** The target's state of the dataset. */
export function lookAtTarget(box: Box, replication: Replication): Target {
  const { target: dataset } = replication;
  const asked = box.run(
    [...sshWords(replication), 'zfs', 'get', '-Hp', '-o', 'value', 'receive_resume_token', dataset],
    ASKING,
  );
  if (asked.code === 1 && /dataset does not exist/.test(asked.stderr))
    return { dataset, exists: false, snapshots: [], token: undefined };
  if (asked.code !== 0) throw failed(replication, `cannot read the state of ${dataset}`, asked);
  const token = asked.stdout.trim();
  if (!/^(-|[0-9a-f-]+)?$/.test(token))
    throw new BoxError('the target sent a malformed resume token', { where: replication.host });
  const list = ['zfs', 'list', '-Hp', '-d', '1', '-t', 'snapshot', ...POINTS, dataset];
  const snapshots = pointsOf(atTarget(box, replication, `cannot list snapshots of ${dataset}`, list));
  return { dataset, exists: true, snapshots, token: token === '-' || token === '' ? undefined : token };
}

/** This box's state of the dataset. */
export function lookAtSource(box: Box, { dataset }: Replication): Source {
  const ask = (words: readonly string[]) =>
    mustRun(box, `cannot read the state of ${dataset}`, ['zfs', ...words], ASKING);
  const encryption = ask(['get', '-Hp', '-o', 'value', 'encryption', dataset]).trim();
  const points = pointsOf(ask(['list', '-Hp', '-d', '1', '-t', 'snapshot,bookmark', ...POINTS, dataset]));
  return {
    dataset,
    encrypted: encryption !== 'off',
    snapshots: points.filter(({ name }) => name.includes('@')),
    bookmarks: points.filter(({ name }) => name.includes('#')),
  };
}

const quoted = (words: readonly string[]): string => words.map(shellQuote).join(' ');

/**
 * Sends to the target. Never with -F; with -s, so that an interrupted transfer can be resumed; with -u, so
 * that nothing is mounted there.
 */
export function transfer(box: Box, replication: Replication, send: readonly string[]): void {
  const receive = [...sshWords(replication), 'zfs', 'receive', '-s', '-u', replication.target];
  const script = `${quoted(send)} | ${quoted(receive)}; echo "DRAISINE \${PIPESTATUS[*]}" >&2`;
  const ran = box.run(['bash', '-c', script]);
  const [, sent = '1', received = '1'] = /^DRAISINE (\d+) (\d+)$/m.exec(ran.stderr) ?? [];
  if (sent === '0' && received === '0') return;
  const stderr = ran.stderr.replace(/^DRAISINE .*\n?/m, '');
  // If the receiver ended first, the sender's error is only a consequence.
  const code = received === '0' ? Number(sent) : Number(received);
  throw failed(replication, `cannot send ${replication.dataset}`, { ...ran, code, stderr });
}
