import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import {
  type Answer,
  answerOf,
  CONTAINERS,
  changesOf,
  KEY,
  lineOf,
  QUESTIONS,
  RECORDED,
  recorded,
  SNAPSHOT,
  TIMERS,
} from '../../packages/answers-for-kola.ts';
import { shellWord, shellWords } from '../../sdk/lib/shell.ts';
import { BUSYBOX } from '../harness/machine/busybox.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

const unit = (name: string, contents: string) => ({ name, contents });
const timer = (name: string) =>
  unit(name, '[Timer]\nOnCalendar=daily\nPersistent=yes\n[Install]\nWantedBy=timers.target\n');
const job = (name: string, command: string) =>
  unit(name.replace(/timer$/, 'service'), `[Service]\nType=oneshot\nExecStart=/usr/bin/${command}\n`);

const UNITS = [
  timer(TIMERS.ran),
  job(TIMERS.ran, 'true'),
  timer(TIMERS.stopped),
  job(TIMERS.stopped, 'true'),
  timer(TIMERS.running),
  job(TIMERS.running, 'sleep 10000'),
  unit(
    'broken.service',
    '[Unit]\nAfter=missing.service\n[Service]\nType=oneshot\nExecStart=/usr/bin/false\n',
  ),
  unit(
    'never.service',
    '[Unit]\nConditionPathExists=/never\n[Service]\nType=oneshot\nExecStart=/usr/bin/true\n',
  ),
  unit(
    'limited.service',
    '[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=2\n[Service]\nExecStart=/usr/bin/false\nRestart=on-failure\n',
  ),
  // It restarts five times, and then runs.
  unit(
    'flaps.service',
    "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nExecStart=/bin/sh -c 'echo >>/run/flaps; [ $$(wc -l </run/flaps) -le 5 ] || exec sleep 10000'\n",
  ),
];

/** Timers that have missed a run start their jobs at once (systemd.timer(5), Persistent=). */
const SYSTEMD = `
  for timer in ${shellWords([TIMERS.ran, TIMERS.running])}; do
    mkdir -p /var/lib/systemd/timers
    touch -d '3 days ago' "/var/lib/systemd/timers/stamp-$timer"
    systemctl start "$timer"
  done
  systemctl start flaps.service limited.service never.service
  ! systemctl start broken.service`;

/** A mirror without one of its disks, with a spare, and a pool with damaged data. zed would act on both at some moment. */
const pools = (box: Machine): string => `
  systemctl mask --quiet --runtime --now zfs-zed.service
  truncate -s 128M /var/tmp/other /var/tmp/spare /var/tmp/damaged
  zpool create -f -o compatibility=openzfs-2.2-linux tank mirror ${box.disk('left')} /var/tmp/other spare /var/tmp/spare
  zfs create -o quota=64M tank/a-b
  zfs create -o refquota=32M 'tank/my data'
  head -c 8M /dev/urandom >/tank/a-b/blob
  zfs snapshot ${SNAPSHOT}
  zfs bookmark ${SNAPSHOT} tank/a-b#sent
  head -c 32 /dev/urandom >${KEY}
  for name in locked open; do zfs create -o encryption=on -o keyformat=raw -o keylocation=file://${KEY} tank/$name; done
  zfs umount tank/locked
  zfs unload-key tank/locked
  zfs send ${SNAPSHOT} | head -c 2M | zfs receive -s -u tank/half || true
  zpool scrub -w tank
  zpool offline tank /var/tmp/other
  zpool create dirty /var/tmp/damaged
  { head -c 1M /dev/urandom; echo 'to be hit'; head -c 1M /dev/urandom; } >/dirty/blob
  zpool export dirty
  for at in $(grep -abo 'to be hit' /var/tmp/damaged | cut -d : -f 1); do # there may be older copies
    printf T | dd of=/var/tmp/damaged bs=1 seek="$at" conv=fsync,notrunc status=none
  done
  zpool import -d /var/tmp dirty
  zpool scrub -w dirty`;

const containers = (box: Machine): string => {
  const run = (name: string, options: string, command: string) =>
    `podman run --detach --quiet --network=none --entrypoint=/bin/busybox --name=${name} ${options} ${BUSYBOX} ${command}`;
  const health = (command: string) =>
    `--health-interval=2s --health-retries=1 --health-cmd=${shellWord(command)}`;
  const [web, sick, plain, done] = CONTAINERS;
  return `
  podman load --quiet --input=${box.disk('busybox')}
  ${run(web, `--label=PODMAN_SYSTEMD_UNIT=web.service ${health('true')}`, 'sleep 10000')}
  ${run(sick, health('false'), 'sleep 10000')}
  ${run(plain, '', 'sleep 10000')}
  ${run(done, '', 'true')}
  podman commit --quiet ${done} docker.io/library/old:1
  podman tag docker.io/library/old:1 docker.io/library/old:2`;
};

const disks = (box: Machine): string => `
  mkfs.vfat --mbr=n -n IGNITION ${box.disk('fast')}
  mkdir -p '/srv/my data'
  mount ${box.disk('fast')} '/srv/my data'
  smartctl --quietmode=silent -t short /dev/sda || true
  udevadm settle`;

/** What takes a while after the scripts above. */
const SETTLED = [
  `[ "$(systemctl show --property=SubState --value ${shellWords([TIMERS.ran, TIMERS.running])} | xargs)" = 'waiting running' ]`,
  '[ "$(systemctl show --property=NRestarts,SubState --value flaps.service | xargs)" = \'5 running\' ]',
  '[ "$(systemctl is-failed broken.service limited.service | xargs)" = \'failed failed\' ]',
  `[ "$(podman ps --all --format '{{.Names}} {{.Status}}' | grep -cE '^(web .*\\(healthy|sick .*\\(unhealthy|done Exited)')" = 3 ]`,
  'ip -6 route show default | grep -q .',
];

register(
  {
    name: 'system.answers',
    what: 'The programs of the image answer in the form that the code of the box reads.',
    machines: {
      box: {
        start: 'fresh',
        firmware: 'none',
        disks: [
          { name: 'left', size: 128, bus: 'ahci' },
          { name: 'fast', size: 64, bus: 'nvme' },
          { name: 'busybox', artifact: 'oci-busybox' },
        ],
      },
    },
    config: { ignition: { version: '3.3.0' }, systemd: { units: UNITS } },
    expect: [/^failed unit: /, /^zfs: /],
    timeout: 300,
  },
  async (t, { box }) => {
    for (const script of [SYSTEMD, pools(box), containers(box), disks(box)])
      await box.succeed(script, { seconds: 120 });
    for (const settled of SETTLED) await box.waitUntilSucceeds(settled);
    const kept: Record<string, Answer> = {};
    const changes: string[] = [];
    for (const question of QUESTIONS) {
      const line = lineOf(question.argv);
      const words = Object.entries(question.env ?? {}).map(([name, value]) => `${name}=${value} `);
      const { code, stdout, stderr } = await box.output(words.join('') + line);
      const now = answerOf(question, { code, stdout: String(stdout), stderr: String(stderr) });
      const before = recorded[line];
      const differs = changesOf(before, now);
      kept[line] = before && differs.length === 0 ? before : now;
      if (differs.length > 0) changes.push(`$ ${line}`, ...differs);
    }
    if (process.env.DRAISINE_RECORD === undefined)
      assert.equal(changes.length, 0, `answers are not as recorded (docs/kola.md):\n${changes.join('\n')}`);
    else {
      writeFileSync(RECORDED, `${JSON.stringify(kept, null, 1)}\n`);
      t.diagnostic(`recorded: ${changes.join('\n')}`);
    }
  },
);
