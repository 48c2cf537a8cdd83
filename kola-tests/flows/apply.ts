import { Failure } from '../../sdk/lib/errors.ts';
import { applied, file, type MachineConfig, nextConfig, service } from '../fixtures/applying.ts';
import type { Files } from '../harness/crash/files.ts';
import type { Flow } from '../harness/crash/flow.ts';
import type { Machine } from '../harness/machine/machine.ts';

/* A change of a running machine's config (packages/box/apply). The harness records the disk that the machine runs from. */

const FOLDER = '/var/lib/draisine/config';
/** The change adds these, and none of them is there before. */
const ADDED = [
  '/etc/crash/one.conf',
  '/etc/crash/deep/two.conf',
  '/etc/systemd/system/crash.service',
  '/etc/systemd/system/multi-user.target.wants/crash.service',
];
/** The change gives these another content. */
const CHANGED = ['/etc/motd', '/etc/passwd', '/etc/shadow', '/etc/group'];
const CHANGE = [...ADDED, ...CHANGED];
const [JOURNAL, COMMITTED, CURRENT, NEXT, BACKUP, ABSENT] = [
  ...['journal', 'committed', 'current', 'next'].map((name) => `${FOLDER}/${name}.json`),
  `${FOLDER}/backup.tar`,
  `${FOLDER}/absent`,
] as [string, string, string, string, string, string];

/** SHA-256 of a file of the machine, from its entry in `Files`. */
const digestOf = (about: string | undefined): string => about?.split(' ').at(-1) ?? '';

/** SHA-256 of the files that the way back needs, after an apply that has ended, and of the new config. */
interface Way {
  readonly backup: string;
  readonly absent: string;
  readonly next: string;
}

/**
 * A machine with a journal reverts the change at its next boot. For that the initrd needs the whole backup and the whole
 * list. Without a journal, all files must be the old ones with the old config, or the new ones with the new config.
 */
function judge(files: Files, { first, last }: { readonly first: Files; readonly last: Files }, way: Way) {
  const same = (other: Files): boolean => CHANGE.every((path) => files.get(path) === other.get(path));
  if (files.has(JOURNAL)) {
    if (digestOf(files.get(BACKUP)) !== way.backup)
      return 'the journal asks to go back, and the backup is not whole';
    if (digestOf(files.get(ABSENT)) !== way.absent)
      return 'the journal asks to go back, and the list of new paths is not whole';
    return undefined;
  }
  // After the confirmation, the next call of `draisine apply` makes the next config the current one (finishCommitted).
  const config = files.has(COMMITTED) && files.has(NEXT) ? files.get(NEXT) : files.get(CURRENT);
  if (same(last)) return digestOf(config) === way.next ? undefined : 'the new files, without the new config';
  if (!same(first)) return 'some files are the old ones, some the new ones';
  return files.get(CURRENT) === first.get(CURRENT) ? undefined : 'the old files, with another config';
}

async function comesUp(box: Machine): Promise<void> {
  const there = await box.succeed(
    `for path in ${ADDED.join(' ')} /home/crash; do [ -e $path ] || [ -L $path ] && echo $path; done; grep -c crash /etc/passwd; grep -x changed /etc/motd || :`,
  );
  const lines = there.split('\n');
  const old = there === '0';
  const all = [...ADDED, '1', 'changed'].every((line) => lines.includes(line));
  if (!old && !all) throw new Failure(`neither the old machine nor the new one:\n${there}`);
}

/** Makes a new flow each time, because a flow remembers digests of its run. */
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
