import { Failure } from '../../sdk/lib/errors.ts';
import { applied, file, type MachineConfig, nextConfig, service } from '../fixtures/applying.ts';
import type { Files } from '../harness/crash/files.ts';
import type { Flow } from '../harness/crash/flow.ts';
import type { Machine } from '../harness/machine/machine.ts';

/* A change of a running machine's config (packages/box/apply). The harness records the disk that the machine runs from. */

const FOLDER = '/var/lib/draisine/config';
/** Paths that the change adds. None of them exists before. */
const ADDED = [
  '/etc/crash/one.conf',
  '/etc/crash/deep/two.conf',
  '/etc/systemd/system/crash.service',
  '/etc/systemd/system/multi-user.target.wants/crash.service',
];
/** Files whose contents the change replaces. */
const CHANGED = ['/etc/motd', '/etc/passwd', '/etc/shadow', '/etc/group'];
const CHANGE = [...ADDED, ...CHANGED];
const [JOURNAL, COMMITTED, CURRENT, NEXT, BACKUP, ABSENT] = [
  ...['journal', 'committed', 'current', 'next'].map((name) => `${FOLDER}/${name}.json`),
  `${FOLDER}/backup.tar`,
  `${FOLDER}/absent`,
] as [string, string, string, string, string, string];

/** SHA-256 of a file of the machine, from its entry in `Files`. */
const digestOf = (about: string | undefined): string => about?.split(' ').at(-1) ?? '';

/** After the apply: SHA-256 of the two files that a revert needs, and of the new config. */
interface Way {
  readonly backup: string;
  readonly absent: string;
  readonly next: string;
}

/**
 * A machine with a journal reverts the change at its next boot. For the revert, the initrd needs the complete backup
 * and the complete list of new paths. Without a journal, all files must be the old ones with the old config, or the new
 * ones with the new config.
 */
function judge(files: Files, { first, last }: { readonly first: Files; readonly last: Files }, way: Way) {
  const same = (other: Files): boolean => CHANGE.every((path) => files.get(path) === other.get(path));
  if (files.has(JOURNAL)) {
    if (digestOf(files.get(BACKUP)) !== way.backup)
      return 'the journal asks for a revert, but the backup is not complete';
    if (digestOf(files.get(ABSENT)) !== way.absent)
      return 'the journal asks for a revert, but the list of new paths is not complete';
    return undefined;
  }
  // After a confirmation, the next call of `draisine apply` makes `next` the current config (finishCommitted).
  const config = files.has(COMMITTED) && files.has(NEXT) ? files.get(NEXT) : files.get(CURRENT);
  if (same(last))
    return digestOf(config) === way.next ? undefined : 'the files are the new ones, but the config is not';
  if (!same(first)) return 'some files are the old ones, some the new ones';
  return files.get(CURRENT) === first.get(CURRENT)
    ? undefined
    : 'the files are the old ones, but the config is not';
}

async function comesUp(box: Machine): Promise<void> {
  const there = await box.succeed(
    `for path in ${ADDED.join(' ')} /home/crash; do [ -e $path ] || [ -L $path ] && echo $path; done; grep -c crash /etc/passwd; grep -x changed /etc/motd || :`,
  );
  const lines = there.split('\n');
  const old = there === '0';
  const all = [...ADDED, '1', 'changed'].every((line) => lines.includes(line));
  if (!old && !all) throw new Failure(`a mixture of the old and the new config:\n${there}`);
}

/** Makes a new flow each time, because a flow keeps digests of its run. */
export function applying(): Flow {
  let way: Way = { backup: '', absent: '', next: '' };
  return {
    name: 'apply',
    what: 'draisine apply: files, a unit and a user of a running machine, and the confirmation',
    recorded: 'system',
    ends: 'uki',
    mayBeEmpty: false,
    bounds: { every: 3, single: 10, pairs: 0, random: 6 },
    files: {
      paths: [...CHANGE, JOURNAL, COMMITTED, CURRENT, NEXT, BACKUP, ABSENT],
      judge: (files, ends) => judge(files, ends, way),
    },
    comesUp,
    run: async (box, { record, mark }) => {
      await record();
      await nextConfig(box, change);
      await mark();
      const { id, result, troubles } = await applied(box);
      if (result !== 'waits for confirmation') throw new Failure(`${result}: ${troubles.join('; ')}`);
      const digests = await box.succeed(`sha256sum ${BACKUP} ${ABSENT} ${NEXT} | cut -d ' ' -f 1`);
      const [backup = '', absent = '', next = ''] = digests.split('\n');
      way = { backup, absent, next };
      await box.succeed(`draisine apply --confirm ${id}`);
    },
  };
}

function change(config: MachineConfig): void {
  config.storage.files.push(
    file('/etc/crash/one.conf', 'one\n'),
    file('/etc/crash/deep/two.conf', 'two\n'),
    file('/etc/motd', 'changed\n'),
  );
  config.systemd.units.push(service('crash.service', 'true'));
  config.passwd = { ...config.passwd, users: [...(config.passwd?.users ?? []), { name: 'crash' }] };
}
