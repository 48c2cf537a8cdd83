import { inspectDisk } from '../disk/inspect.ts';
import { stage } from '../disk/stage.ts';
import { ESP, fakeDraisine, fakeLocks, HASHES, NEXT, nextSlot, nextUki } from '../disk/testing.ts';
import type { FakeBox } from '../io/fake.ts';
import { POLICY } from '../settings/update.ts';
import { recordedText, sameForm, showLike } from '../testing/answers.ts';
import { changeState } from '../update/state.ts';
import { lookAtBox, writeBaseline } from './baseline.ts';

export const OLD = '2026.1101.0';

/** The state that the programs of a fake box report. Tests change it. */
export interface World {
  /** ActiveState by unit, of the units that the boot starts. */
  readonly units: Map<string, string>;
  readonly notFound: Set<string>;
  readonly unmet: Set<string>;
  containers: { name: string; state: string; status: string; unit?: string }[];
  /** Units that timers start. */
  jobs: string[];
  routes: object[];
  readonly answering: Set<string>;
  /** `zpool status --json`; none: no module. */
  pools: Record<string, unknown> | undefined;
  /** Options by target; `autofs`: mounted on demand. */
  readonly mounts: Map<string, string>;
  httpCode: string;
  reboots: number;
}

/** A fake box with two slots, units, containers and a network, all of them healthy. */
export function fakeWorld(): { box: FakeBox; world: World } {
  const box = fakeDraisine({ old: false });
  const world: World = {
    units: new Map([
      ['ssh.service', 'active'],
      ['web.service', 'active'],
      ['boot-complete.target', 'active'],
    ]),
    notFound: new Set(),
    unmet: new Set(),
    containers: [{ name: 'web', state: 'running', status: 'Up 2 minutes (healthy)', unit: 'web.service' }],
    jobs: ['backup.service'],
    routes: [{ dev: 'eth0', gateway: '10.0.2.2' }],
    answering: new Set(['10.0.2.2']),
    pools: undefined,
    mounts: new Map([['/data', 'rw,relatime']]),
    httpCode: '200',
    reboots: 0,
  };
  box.put({
    '/usr/lib/os-release': `IMAGE_ID=n100\nIMAGE_VERSION=${OLD}\n`,
    '/proc/uptime': '100.00 200.00\n',
    '/sys/class/net/eth0/carrier': '1\n',
    '/var/lib/containers/storage/overlay-containers/x': '',
  });
  addPrograms(box, world);
  return { box, world };
}

function addPrograms(box: FakeBox, world: World): void {
  box.program('systemctl', (argv) => systemctl(argv, world));
  box.program('ip', ([, family]) => JSON.stringify(family === '-4' ? world.routes : []));
  box.program('ping', (argv) => ({ code: world.answering.has(argv.at(-1) ?? '') ? 0 : 1 }));
  box.program('podman', () =>
    JSON.stringify(
      sameForm(
        JSON.parse(recordedText(['podman', 'ps', '--all', '--format', 'json'])),
        world.containers.map(({ name, state, status, unit }) => ({
          ...{ Names: [name], State: state, Status: status },
          Labels: unit === undefined ? null : { PODMAN_SYSTEMD_UNIT: unit },
        })),
      ),
    ),
  );
  box.program('curl', () => world.httpCode);
  box.program('journalctl', () => 'the journal\n');
  box.program('zpool', () => JSON.stringify({ pools: world.pools }));
  for (const name of ['rm', 'mv', 'modprobe']) box.program(name, () => '');
  const copy = box.programs.get('cp')!;
  box.program('cp', (argv, options, self) => {
    if (argv[1] !== '-a') return copy(argv, options, self);
    box.makeFolder(argv.at(-1) ?? '');
    return '';
  });
  fakeLocks(box);
  const mounts = () =>
    [...world.mounts]
      .map(([target, options]) =>
        options === 'autofs'
          ? `systemd-1 ${target} autofs rw,relatime 0 0\n`
          : `/dev/vdb1 ${target} ext4 ${options} 0 0\n`,
      )
      .join('');
  const readFile = box.readFile.bind(box);
  box.readFile = (path) =>
    path === '/proc/self/mounts' ? new TextEncoder().encode(mounts()) : readFile(path);
}

function systemctl(argv: readonly string[], world: World): string {
  if (argv.includes('list-dependencies'))
    return ['multi-user.target', ...world.units.keys()].map((name) => `  ${name}`).join('\n');
  if (argv.includes('list-units'))
    return [...world.units]
      .filter(([, state]) => state === 'failed' || !argv.includes('--state=failed'))
      .map(([name, state]) => `${name} loaded ${state} ${state === 'active' ? 'running' : state} x`)
      .join('\n');
  if (argv.includes('*.timer')) return world.jobs.map((name) => `Unit=${name}`).join('\n\n');
  if (argv.includes('show')) {
    return argv
      .slice(argv.indexOf('--') + 1)
      .map((name) => {
        const active = world.units.get(name) ?? 'inactive';
        const load = world.notFound.has(name) ? 'not-found' : 'loaded';
        const sub = active === 'active' ? 'running' : 'dead';
        return showLike('Id,LoadState,ActiveState,SubState,ConditionResult', {
          ...{ Id: name, LoadState: load, ActiveState: active, SubState: sub },
          ConditionResult: world.unmet.has(name) ? 'no' : 'yes',
        });
      })
      .join('\n\n');
  }
  if (argv.includes('reboot')) world.reboots++;
  return '';
}

/** Restarts the fake box into one of its releases. */
export function bootInto(box: FakeBox, which: 'old' | 'next'): void {
  const [hash, version, data, tree] =
    which === 'next' ? [HASHES.next, NEXT, 4, 5] : [HASHES.running, OLD, 2, 3];
  for (const number of [data, tree])
    box.symlink(`../../devices/virtio1/block/vda/vda${number}`, `/sys/dev/block/253:${number}`);
  box.program(
    'dmsetup',
    () => `0 8 verity 1 253:${data} 253:${tree} 4096 4096 1 1 sha256 ${hash} 00 1 ignore_zero_blocks\n`,
  );
  box.put({ '/usr/lib/os-release': `IMAGE_ID=n100\nIMAGE_VERSION=${version}\n` });
  for (const path of [...box.nodes.keys()])
    if (path.startsWith('/run/draisine/on-trial')) box.nodes.delete(path);
  setUptime(box, 20);
}

function setUptime(box: FakeBox, seconds: number): void {
  box.put({ '/proc/uptime': `${seconds}.00 1.00\n` });
}

/** Lets `sleep` advance the uptime as well. */
export function runningClock(box: FakeBox, onSleep: (uptime: number) => void = () => {}): void {
  let uptime = Number(box.readText('/proc/uptime').split(' ')[0]);
  box.sleep = (milliseconds) => {
    box.advance(milliseconds);
    uptime += milliseconds / 1000;
    setUptime(box, uptime);
    onSleep(uptime);
  };
}

/** NEXT is in the other slot, staged by OLD. */
export function stageNext(box: FakeBox): void {
  stage(box, inspectDisk(box), { slot: nextSlot(box), uki: nextUki(box), runningHash: HASHES.running });
  changeState(box, () => ({
    staged: { version: NEXT, rootHash: HASHES.next, from: OLD, since: box.now(), rebooting: true },
  }));
}

export const ukis = (box: FakeBox) => box.list(`${ESP}/EFI/Linux`);

/** The box has staged NEXT with a baseline, and was restarted into it. */
export function trial(policy: object = {}): { box: FakeBox; world: World } {
  const { box, world } = fakeWorld();
  writeBaseline(box, lookAtBox(box, OLD));
  stageNext(box);
  box.put({ [POLICY]: JSON.stringify({ settle: 60, deadline: 120, ...policy }) });
  bootInto(box, 'next');
  runningClock(box);
  return { box, world };
}

/** A disk of a pool, as `zpool status --json` reports it. */
export const disk = (state: string, errors = 0, guid = '1') => ({
  ...{ name: `/dev/disk/by-id/d${guid}`, guid, state },
  ...{ read_errors: '0', write_errors: '0', checksum_errors: String(errors) },
});
/** The pool `tank` of these disks, as `zpool status --json` reports pools. */
export const tank = (state: string, ...disks: object[]) => ({
  tank: {
    state,
    vdevs: {
      tank: {
        name: 'tank',
        guid: '9',
        state,
        vdevs: Object.fromEntries(disks.map((each, at) => [at, each])),
      },
    },
  },
});
