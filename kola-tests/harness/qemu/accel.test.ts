import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleration, tscFrequency } from './accel.ts';

test('the frequency of the time-stamp counter, from logs of kernels that measured it rightly, wrongly or not at all', () => {
  assert.equal(tscFrequency('[ 0.01] tsc: Detected 2596.163 MHz processor\n'), 2596);
  const busy =
    '[ 0.05] tsc: PIT calibration deviates from HPET: 107073 2596296\n[ 0.06] tsc: Using PIT calibration value\n' +
    '[ 0.06] tsc: Detected 107.073 MHz processor\n';
  assert.equal(tscFrequency(busy), 2596);
  assert.equal(tscFrequency('nothing'), 0);
});

test('an emulated guest gets its clock frequency and longer limits on its command line; others get nothing', () => {
  const words = (kind: 'kvm' | 'tcg', tscMHz: number) =>
    acceleration({ kind, why: '', tscMHz }).kernelArguments;
  const others = 'init_on_alloc=0 zfs.zfs_vdev_open_timeout_ms=10000';
  assert.equal(words('tcg', 2596), `no_timer_check tsc_early_khz=2596000 ${others}`);
  assert.equal(words('tcg', 0), `no_timer_check ${others}`);
  assert.equal(words('kvm', 0), '');
});
