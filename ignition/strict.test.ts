import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataUrl } from './data-url.ts';
import { checkStrictly } from './strict.ts';

function findings(files: { [name: string]: string }): string[] {
  const list = Object.entries(files).map(([name, text]) => ({
    path: `/etc/containers/systemd/${name}`,
    contents: { source: dataUrl(text) },
  }));
  return checkStrictly({ storage: { files: list } }).map(({ path, message }) => `${path} ${message}`);
}

const IMAGE = '[Container]\nImage=a.b/c\n';

test('two quadlets that publish one port', () => {
  const [finding, ...others] = findings({
    'a.container': `${IMAGE}PublishPort=80:80\n`,
    'b.container': `${IMAGE}PublishPort=127.0.0.1:80:8080\n`,
    'c.container': `${IMAGE}PublishPort=80:80/udp\nPublishPort=8080\n`,
  });
  assert.match(finding ?? '', /^\$\.storage\.files\.1 port tcp\/80 is published by .*a\.container already/);
  assert.deepEqual(others, []);
});

test('quadlets that podman would pass over', () => {
  assert.match(findings({ 'a.container': '[Service]\nA=b\n' })[0] ?? '', /without \[Container\]/);
  assert.match(findings({ 'a.container': '[Container]\nExec=x\n' })[0] ?? '', /without Image=/);
  assert.deepEqual(findings({ 'a.container': IMAGE, 'b.network': '[Network]\n', 'c.txt': 'x' }), []);
});

test('contents it cannot read are left alone', () => {
  const files = [
    { path: '/etc/containers/systemd/a.container', contents: { source: 'https://a/b' } },
    { path: '/b' },
  ];
  assert.deepEqual(checkStrictly({ storage: { files } }), []);
  assert.deepEqual(checkStrictly({}), []);
});
