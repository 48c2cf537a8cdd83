import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machine } from '../machine.ts';
import { notify } from './notify.ts';
import { textOf } from './testing.ts';

const FILE = '/etc/draisine/notify.json';

test('the targets in the form that the box reads; only root can read the file', () => {
  const config = machine({
    notify: {
      targets: [
        { ntfy: 'https://ntfy.example/box', severity: 'error' },
        { mail: 'me@example', server: 'smtps://mail.example', from: 'box@example' },
        { webhook: 'https://hook.example', body: '{"text":"{title}"}' },
      ],
      heartbeat: 'https://alive.example/1',
    },
  });
  const { targets, heartbeat } = JSON.parse(textOf(config, FILE)) as { targets: object[]; heartbeat: string };
  assert.equal(heartbeat, 'https://alive.example/1');
  assert.deepEqual(targets[0], { kind: 'ntfy', severity: 'error', url: 'https://ntfy.example/box' });
  assert.deepEqual(targets[1], {
    ...{ kind: 'mail', severity: 'warning', to: 'me@example', from: 'box@example' },
    server: 'smtps://mail.example',
  });
  const { files } = config.storage as { files: { path: string; mode: number }[] };
  assert.equal(files.find(({ path }) => path === FILE)?.mode, 0o600);
});

test('invalid addresses and bodies are refused', () => {
  assert.throws(
    () => notify({ targets: [{ ntfy: 'ntfy.example' }] }),
    /targets\[0\]\.url must be an address/,
  );
  assert.throws(() => notify({ targets: [{ webhook: 'https://h', body: '{"a": {text}}' }] }), /is not JSON/);
  assert.throws(
    () => notify({ targets: [{ mail: 'me', server: 'smtps://m', from: 'a@b' }] }),
    /mail address/,
  );
  assert.throws(
    () => notify({ targets: [{ severity: 'error' } as never] }),
    /one of ntfy, gotify, webhook, mail/,
  );
  assert.throws(() => machine({ notify: { target: [] } as object }), { where: 'notify' });
});
