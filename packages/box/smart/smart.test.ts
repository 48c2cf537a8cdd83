import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeBox } from '../io/fake.ts';
import { conditionsOf, lookAround } from '../notify/conditions.ts';
import { recordedText, sameForm } from '../testing/answers.ts';
import { describeDisk, disksOf } from './disks.ts';

const ASK = 'smartctl --json=c --nocheck=standby --info --health --attributes --log=selftest -d sat /dev/sda';
const REAL = JSON.parse(recordedText(ASK.split(' ')));

/** A machine whose disks answer so. */
function machine(disks: Readonly<Record<string, object | string>>, scan: object = {}) {
  const box = new FakeBox();
  box.put({ '/proc/uptime': '1000 1\n', '/run/systemd/timesync/synchronized': '' });
  box.program('systemctl', () => '');
  box.program('df', () => ' 1%   1%\n');
  box.program('smartctl', (argv) => {
    const devices = Object.keys(disks).map((name) => ({ name, type: 'sat' }));
    if (argv.includes('--scan-open')) return JSON.stringify({ devices, ...scan });
    assert.ok(argv.includes('--nocheck=standby'), 'a disk that sleeps is not woken');
    const answer = disks[argv.at(-1) ?? ''] ?? '';
    return {
      code: typeof answer === 'string' ? 2 : 64,
      stdout: typeof answer === 'string' ? answer : JSON.stringify(answer),
    };
  });
  const told = () => conditionsOf(box).map(({ severity, text }) => `${severity}: ${text}`);
  return { box, told, lines: () => disksOf(box).map(describeDisk) };
}

/** What a SATA disk answers. No disk of QEMU has the tables of NVMe self-tests and of SCSI. */
const ata = (test: object, more: object = {}) =>
  sameForm(REAL, {
    model_name: 'WD Red',
    smart_status: { passed: true },
    temperature: { current: 34 },
    power_on_time: { hours: 1000 },
    ata_smart_self_test_log: { standard: { table: [test, { status: { passed: false } }] } },
    ...more,
  });

describe('disks', () => {
  test('report their health, and the result of their last test', () => {
    const well = {
      type: { string: 'Short offline' },
      status: { string: 'Completed without error', passed: true },
      lifetime_hours: 997,
    };
    const { lines, told } = machine({
      '/dev/sda': ata(well),
      '/dev/nvme0': {
        ...{ model_name: 'NV', smart_status: { passed: true }, power_on_time: { hours: 70_000 } },
        nvme_self_test_log: {
          table: [
            {
              self_test_code: { string: 'Extended' },
              self_test_result: { value: 0, string: 'Completed without error' },
              power_on_hours: 69_990,
            },
          ],
        },
      },
      '/dev/sdb': { model_name: 'New', smart_status: { passed: true } },
      '/dev/sdc': { smartctl: { messages: [{ string: 'Device is in STANDBY mode, exit(2)' }] } },
      '/dev/sdd': {},
    });
    assert.deepEqual(lines(), [
      '/dev/sda WD Red: well, 34 °C; Short offline test 3 h of running ago: Completed without error',
      '/dev/nvme0 NV: well; Extended test 10 h of running ago: Completed without error',
      '/dev/sdb New: well; no self-test yet',
      '/dev/sdc: asleep',
      '/dev/sdd: says nothing of its health; no self-test yet',
    ]);
    assert.deepEqual(told(), []);
  });

  test('that fail, or whose last test found a fault, are reported; an interrupted test is not', () => {
    const found = {
      type: { string: 'Extended offline' },
      status: { string: 'Completed: read failure', passed: false },
      lifetime_hours: 999,
    };
    const cut = {
      type: { string: 'Short offline' },
      status: { string: 'Interrupted (host reset)' },
      lifetime_hours: 999,
    };
    const { told } = machine({
      '/dev/sda': ata(found),
      '/dev/sdb': ata(cut),
      '/dev/sdc': ata(cut, { smart_status: { passed: false } }),
      '/dev/nvme0': {
        smart_status: { passed: true },
        nvme_self_test_log: {
          table: [{ self_test_result: { value: 7, string: 'Completed: failed segments' } }],
        },
      },
    });
    assert.deepEqual(told(), [
      'error: /dev/sda has failed its last self-test: Completed: read failure (smartctl -l selftest /dev/sda)',
      'error: /dev/sdc reports that it is failing: smartctl -a /dev/sdc',
      'error: /dev/nvme0 has failed its last self-test: Completed: failed segments (smartctl -l selftest /dev/nvme0)',
    ]);
  });

  test('that have signs of age or damage are reported with their serial number, before they call themselves failing', () => {
    const raw = (name: string, string: string, more: object = {}) => ({ name, raw: { string }, ...more });
    const sata = (serial_number: string, ...table: object[]) =>
      ata({}, { serial_number, ata_smart_attributes: { table } });
    const nvme = (value: number, log: object) => ({
      smart_status: { passed: value === 0, nvme: { value } },
      nvme_smart_health_information_log: log,
    });
    const { told, lines } = machine({
      '/dev/sda': sata(
        'A1',
        raw('Reallocated_Sector_Ct', '8 (2 0)'),
        raw('Current_Pending_Sector', '3'),
        raw('Offline_Uncorrectable', '2'),
        raw('Airflow_Temperature_Cel', '60', { when_failed: 'now', flags: { prefailure: false } }),
        raw('Temperature_Celsius', '40', { when_failed: 'past' }),
      ),
      '/dev/sdb': sata('B1', raw('Reallocated_Sector_Ct', '0 (2 0)'), raw('Host_Reads_GiB', '7000')),
      '/dev/nvme0': nvme(0, { percentage_used: 103, media_errors: 2 }),
      '/dev/nvme1': nvme(2, { percentage_used: 89, media_errors: 0 }),
      '/dev/nvme2': nvme(6, {}),
      '/dev/sdc': { smart_status: { passed: true }, scsi_grown_defect_list: 4 },
    });
    assert.deepEqual(told(), [
      'error: /dev/sda (serial number A1) has 3 sectors that it cannot read: smartctl -A /dev/sda',
      'warning: /dev/sda (serial number A1) has replaced 8 bad sectors: smartctl -A /dev/sda',
      "warning: /dev/sda (serial number A1) has reached its maker's limit of Airflow_Temperature_Cel: smartctl -A /dev/sda",
      'warning: /dev/nvme0 has used 103 % of the writes that it is made for: smartctl -A /dev/nvme0',
      'warning: /dev/nvme0 has lost data 2 times (media errors): smartctl -A /dev/nvme0',
      'warning: /dev/nvme1 is too hot or too cold: smartctl -A /dev/nvme1',
      'error: /dev/nvme2 reports that it is failing: smartctl -a /dev/nvme2',
      'warning: /dev/sdc has replaced 4 bad sectors: smartctl -A /dev/sdc',
    ]);
    assert.match(lines()[0] ?? '', /well, 34 °C; has 3 sectors that it cannot read; has replaced 8/);
  });

  test('count hours in 16 bits', () => {
    const old = { status: { string: 'x' }, lifetime_hours: 65_530 };
    const [disk] = disksOf(machine({ '/dev/sda': ata(old, { power_on_time: { hours: 65_540 } }) }).box);
    assert.equal(disk?.test?.hoursAgo, 10);
    const [wrapped] = disksOf(
      machine({ '/dev/sda': ata({ lifetime_hours: 4 }, { power_on_time: { hours: 65_545 } }) }).box,
    );
    assert.equal(wrapped?.test?.hoursAgo, 5);
  });

  test('that do not answer are reported, and hide no others; a device that cannot be opened is not a disk', () => {
    const { told, lines } = machine({
      '/dev/sda': 'no JSON',
      '/dev/sdb': { smart_status: { passed: false } },
    });
    assert.deepEqual(told(), [
      'warning: cannot check /dev/sda: smartctl ended with 2: no JSON',
      'error: /dev/sdb reports that it is failing: smartctl -a /dev/sdb',
    ]);
    assert.match(lines()[0] ?? '', /^\/dev\/sda: cannot be asked: smartctl ended with 2/);
    const { box, told: without } = machine({});
    box.program('smartctl', () => ({ code: 124 }));
    assert.deepEqual(without(), ['warning: cannot check disks: smartctl ended with 124']);
    const unusable = { devices: [{ name: '/dev/sdx', open_error: 'Permission denied' }, {}] };
    assert.deepEqual(machine({}, unusable).lines(), []);
  });

  test('that cannot be opened any more give no answer, and known problems of theirs are not over', () => {
    const { box } = machine({ '/dev/sda': { smart_status: { passed: false } } });
    const silent = () => lookAround(box).unseen.filter((source) => source.startsWith('disks'));
    assert.deepEqual(silent(), []);
    const message = 'Smartctl open device: /dev/sda failed: No such device';
    box.program('smartctl', (argv) =>
      argv.includes('--scan-open')
        ? JSON.stringify({ devices: [{ name: '/dev/sda' }] })
        : { code: 2, stdout: JSON.stringify({ smartctl: { messages: [{ string: message }] } }) },
    );
    assert.deepEqual(silent(), ['disks /dev/sda']);
    assert.deepEqual(
      lookAround(box).conditions.map(({ text }) => text),
      [`cannot check /dev/sda: ${message}`],
    );
  });
});
