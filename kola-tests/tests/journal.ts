import assert from 'node:assert/strict';
import { explainedFor, unexplained } from '../harness/guest/explained.ts';
import { register } from '../harness/run/register.ts';

register(
  {
    name: 'system.no-unexplained-warnings',
    what: 'The journal of a healthy boot has only warnings with a known explanation.',
    tags: ['quick'],
  },
  async (t, { box }) => {
    assert.equal(await box.succeed('systemctl is-system-running --wait'), 'running');
    const lines = await box.succeed(
      'journalctl --boot --priority=warning --output=json --output-fields=MESSAGE,SYSLOG_IDENTIFIER,_COMM,PRIORITY --no-pager',
    );
    const signed = (await box.succeed('cat /sys/module/module/parameters/sig_enforce')) === 'Y';
    const explained = explainedFor({ signed });
    const { left, met } = unexplained(lines, explained);
    t.diagnostic(`explained: ${[...met].join(', ')}`);
    assert.deepEqual(left, [], `explain each in EXPLAINED (${explained.length} so far), or fix its cause`);
  },
);
