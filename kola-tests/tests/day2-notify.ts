import assert from 'node:assert/strict';
import { applied, file, nextConfig } from '../fixtures/applying.ts';
import { openReceivers, type Receivers } from '../fixtures/receivers.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

const TOKEN = 'tk_of_the_test';

/** The settings of notifications, in the form that `notify` in a machine config becomes. */
const settings = ({ web, mail }: Receivers): string =>
  JSON.stringify({
    targets: [
      { kind: 'ntfy', severity: 'error', url: `${web}/topic`, token: TOKEN },
      {
        ...{ kind: 'webhook', severity: 'error', url: `${web}/hook`, headers: { 'X-Key': TOKEN } },
        body: '{"summary": "{title}: {text}", "level": "{severity}", "from": "{host}"}',
      },
      { kind: 'mail', severity: 'error', to: 'owner@example', from: 'nas@example', server: mail },
    ],
    heartbeat: `${web}/alive`,
  });

/** A message as all targets get it. */
interface Told {
  readonly severity: 'info' | 'error';
  readonly text: string;
}

const errors = (...texts: string[]): Told[] => texts.map((text) => ({ severity: 'error', text }));
const ends = (...texts: string[]): Told[] =>
  texts.map((text) => ({ severity: 'info', text: `over: ${text}` }));

/** Checks that since the last call each target got these messages, in this order, and no others. */
function got(receivers: Receivers, host: string, told: readonly Told[], when: string): void {
  const topic = receivers.take('/topic').map(({ headers: { title, priority, authorization }, body }) => {
    assert.equal(authorization, `Bearer ${TOKEN}`);
    return `${title}, ${priority}: ${body}`;
  });
  assert.deepEqual(
    topic,
    told.map(({ severity, text }) => `${host}, ${severity === 'error' ? 5 : 3}: ${text}`),
    `messages by ntfy: ${when}`,
  );
  const hook = receivers.take('/hook').map(({ headers, body }) => {
    assert.equal(headers['x-key'], TOKEN);
    return JSON.parse(body) as object;
  });
  assert.deepEqual(
    hook,
    told.map(({ severity, text }) => ({
      summary: `${host}: ${severity}: ${text}`,
      level: severity,
      from: host,
    })),
    `messages by webhook: ${when}`,
  );
  assert.deepEqual(
    receivers.takeMails().map((mail) => /^Subject: (.*)$[\s\S]*\n\n(.*)\n*$/m.exec(mail)?.slice(1)),
    told.map(({ text }) => [`${host}: ${text.slice(0, 120)}`, text]),
    `messages by mail: ${when}`,
  );
}

/** Makes a service fail, and looks at the machine as draisine-watch.timer does every two minutes. */
const failAndLook = (box: Machine, unit: string): Promise<string> =>
  box.succeed(
    `systemd-run --quiet --wait --unit=${unit} false || :
    systemctl start draisine-watch.service`,
    { seconds: 60 },
  );

const POOL = 'pool tank is DEGRADED: /root/b is OFFLINE';
const failure = (unit: string): string => `${unit}.service has failed: systemctl status ${unit}.service`;

register(
  {
    name: 'day2.notify',
    what: 'A message about each problem reaches every target once, later and in order if the target was down, and so does one about the end.',
    timeout: 240,
  },
  async (t, { box }) => {
    const receivers = await openReceivers();
    t.after(receivers.close);
    const host = await box.succeed('hostname');
    await nextConfig(box, ({ storage }) => {
      storage.files.push({ ...file('/etc/draisine/notify.json', settings(receivers)), mode: 0o600 });
    });
    await box.succeed(`draisine apply --confirm ${(await applied(box)).id}`);
    await box.succeed('systemctl is-active draisine-watch.timer && systemctl stop draisine-watch.timer');

    assert.equal(await box.succeed('draisine notify'), 'sent to 3');
    const [text = ''] = receivers.take('/topic').map(({ body }) => body);
    assert.match(text, /^a test of notifications, sent at 20/, 'the test message');
    assert.deepEqual([receivers.take('/hook').length, receivers.takeMails().length], [1, 1]);

    // The timer may have started a look.
    await box.waitUntilSucceeds(
      '[ "$(systemctl show --property=ActiveState --value draisine-watch.service)" = inactive ]',
    );
    receivers.take('/alive');
    await box.succeed(
      `truncate -s 80M /root/a /root/b
      zpool create tank mirror /root/a /root/b
      zpool offline tank /root/b`,
    );
    await failAndLook(box, 'first');
    got(receivers, host, errors(POOL, failure('first')), 'two problems');
    assert.equal(receivers.take('/alive').length, 1, 'the heartbeat');

    receivers.down = true;
    await failAndLook(box, 'second');
    receivers.down = false;
    got(receivers, host, [], 'the targets are down');
    await failAndLook(box, 'third');
    got(receivers, host, errors(failure('second'), failure('third')), 'the targets are back');

    // In the first 15 minutes after a start no problem is called over. So this look believes that the start was earlier.
    await box.succeed(
      `systemctl reset-failed first second third
      zpool online tank /root/b
      zpool wait -t resilver tank
      unshare --fork --time --boottime 900 draisine watch`,
      { seconds: 60 },
    );
    got(receivers, host, ends(POOL, ...['first', 'second', 'third'].map(failure)), 'the end');
    assert.equal(receivers.take('/alive').length, 2, 'the heartbeat');
    await box.succeed('zpool destroy tank');
  },
);
