import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleration } from '../qemu/accel.ts';
import { devicePath } from '../qemu/parts.ts';
import { qemuArguments } from '../qemu/qemu-args.ts';
import { coldPlan, devicesOf, type MachineFiles } from './boot.ts';
import { type MachineSpec, planMachine } from './spec.ts';

const plan = (spec: MachineSpec) => planMachine(spec, 'a.test, machine box');

test('the defaults are the machine that most tests need', () => {
  const { memory, disks, nics, start } = plan({});
  assert.deepEqual(
    { memory, disks, nics, start },
    { memory: 512, disks: [], nics: [{ model: 'virtio', network: 'user' }], start: 'fork' },
  );
});

test('an impossible spec is refused with its place', () => {
  const cases: [MachineSpec, RegExp][] = [
    [{ memory: 1 }, /memory must be/],
    [{ memory: 512.5 }, /memory must be/],
    [{ cpus: 0 }, /cpus must be/],
    [
      {
        disks: [
          { name: 'a', size: 1 },
          { name: 'a', size: 1 },
        ],
      },
      /two disks are named a/,
    ],
    [{ disks: [{ name: 'system', size: 1 }] }, /belongs to the disk with the image/],
    [{ disks: [{ name: 'a' }] }, /one of size, file and artifact/],
    [{ disks: [{ name: 'a', size: 1, file: '/x' }] }, /one of size, file and artifact/],
    [{ disks: [{ name: 'a', over: '/x' }] }, /one of size, file and artifact/],
    [{ disks: [{ name: 'a', size: 1, over: '/x', bus: 'ahci' }] }, /is a copy of a file/],
    [{ disks: [{ name: 'a,b', size: 1 }] }, /1 – 20 characters/],
    [{ disks: [{ name: 'a', size: 1, serial: 'x'.repeat(21) }] }, /1 – 20 characters/],
    [{ disks: Array.from({ length: 7 }, (_, index) => ({ name: `d${index}`, size: 1 })) }, /at most 6/],
  ];
  for (const [spec, message] of cases)
    assert.throws(() => plan(spec), { exitCode: 2, message, where: 'a.test, machine box' });
});

test('machines that differ only in devices plugged later share a snapshot', () => {
  const common = coldPlan(plan({}));
  assert.deepEqual(
    coldPlan(
      plan({
        disks: [
          { name: 'a', size: 1 },
          { name: 'b', size: 9, bus: 'nvme' },
        ],
      }),
    ),
    common,
  );
  assert.deepEqual(coldPlan(plan({ nics: [{ network: 'user' }, { network: 'lan' }] })), common);
  for (const other of [
    { memory: 1024 },
    { cpus: 4 },
    { disks: [{ name: 'a', size: 1, bus: 'ahci' }] },
    { nics: [] },
    { systemBus: 'ahci' },
    { config: { ignition: { version: '3.0.0' } } },
  ] satisfies MachineSpec[]) {
    assert.notDeepEqual(coldPlan(plan(other)), common);
  }
});

test('devices keep their places: a fork has the device layout of its snapshot, and a later boot that of the fork', () => {
  const files: MachineFiles = {
    system: { path: '/s', format: 'qcow2' },
    disks: new Map(['a', 'b'].map((name) => [name, { path: `/${name}`, format: 'qcow2' }])),
    firmwareVars: '/v',
    config: '/c',
  };
  const whole = plan({
    disks: [
      { name: 'a', size: 1 },
      { name: 'b', size: 1 },
    ],
    nics: [{ network: 'user' }, { network: 'lan' }],
  });
  const fork = devicesOf(whole, files, 3, (name) => `/net-${name}`);
  const snapshot = devicesOf(coldPlan(whole), files, 0, () => '');
  assert.deepEqual(fork.cold, snapshot.cold);
  const buses = [...fork.cold, ...fork.hot].map(({ device }) => device.bus);
  assert.equal(new Set(buses).size, buses.length, 'two devices in one slot');

  const saved = argumentsOf({ devices: fork.cold });
  const restored = argumentsOf({ devices: fork.cold, incoming: true });
  assert.deepEqual(restored, [...saved, '-incoming', 'defer']);
});

/** The command line of a machine with nothing special. */
function argumentsOf(more: Partial<Parameters<typeof qemuArguments>[0]>, dir = '/d'): readonly string[] {
  const accel = acceleration({ kind: 'tcg', why: '', tscMHz: 2600 });
  const common = { name: 'x', cpus: 2, usb: false, firmwareVars: '/v', config: '/c' };
  const machine = { ...plan({}), ...common, accel, devices: [], incoming: false, ...more };
  return qemuArguments(machine, dir, { ovmfCode: '/o' });
}

test('a comma in a path does not end an option', () => {
  const args = argumentsOf({ config: '/a,b' }, '/d,e');
  assert.ok(args.includes('name=opt/com.coreos/config,file=/a,,b'));
  assert.ok(args.some((argument) => argument.includes('path=/d,,e/qmp.sock')));
});

test('the names that udev gives to disks', () => {
  const path = (bus: 'virtio' | 'nvme' | 'ahci' | 'usb'): string => devicePath({ bus, serial: 'tank0' });
  assert.equal(path('virtio'), '/dev/disk/by-id/virtio-tank0');
  assert.equal(path('ahci'), '/dev/disk/by-id/ata-QEMU_HARDDISK_tank0');
});

test('an eMMC adds its controller, and is present from the start', () => {
  const emmc = plan({ disks: [{ name: 'flash', size: 64, bus: 'emmc' }] });
  const files: MachineFiles = {
    system: { path: '/s', format: 'qcow2' },
    disks: new Map([['flash', { path: '/flash', format: 'qcow2' }]]),
    firmwareVars: '/v',
    config: '/c',
  };
  const { cold, hot } = devicesOf(emmc, files, 1, () => '');
  assert.deepEqual(hot, []);
  const words = (devices: typeof cold): string =>
    qemuArguments(
      {
        ...emmc,
        ...{ name: 'x', cpus: 1, firmwareVars: '/v', config: '/c', devices, incoming: false },
        accel: acceleration({ kind: 'tcg', why: '', tscMHz: 2600 }),
      },
      '/d',
      { ovmfCode: '/o' },
    ).join(' ');
  assert.match(words(cold), /-device sdhci-pci .*"driver":"emmc"/);
  assert.doesNotMatch(words([]), /sdhci/);
  for (const disk of [
    { name: 'a', size: 1, bus: 'emmc', bootFirst: true },
    { name: 'a', size: 1, bus: 'emmc', serial: 's' },
  ] as const)
    assert.throws(() => plan({ disks: [disk] }), /is an eMMC/);
  assert.throws(
    () => plan({ disks: ['a', 'b'].map((name) => ({ name, size: 1, bus: 'emmc' })) }),
    /only one eMMC/,
  );
});
