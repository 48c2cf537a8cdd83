import assert from 'node:assert/strict';
import { register } from '../harness/run/register.ts';

// The command line is part of the UKI. An addon beside the UKI holds the arguments of one machine, and works after a
// restart.
register(
  {
    name: 'ignition.kernel-arguments',
    what: 'Kernel arguments of the config take effect after one restart.',
    machines: { box: { start: 'off' } },
    config: {
      ignition: { version: '3.3.0' },
      kernelArguments: {
        shouldExist: ['draisine.test=one', 'quiet', 'mitigations=auto,nosmt'],
        shouldNotExist: ['draisine.other'],
      },
      storage: { files: [{ path: '/etc/made', contents: { source: 'data:,once' } }] },
    },
    timeout: 300,
  },
  async (_t, { box }) => {
    await box.powerOn();
    await box.waitForConsole(/kernel arguments changed: restarting/, { seconds: 60 });
    await box.goesDown('reboot');
    await box.start();

    const words = (await box.succeed('cat /proc/cmdline')).split(' ');
    const ours = words.slice(words.indexOf('draisine.kargs') + 1);
    assert.deepEqual(ours.slice(0, 2), ['draisine.test=one', 'mitigations=auto,nosmt']);
    assert.equal(words.filter((word) => word === 'quiet').length, 1);
    assert.equal(await box.succeed('cat /etc/made'), 'once');
  },
);
