import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { setQuiet } from '../../sdk/lib/log.ts';
import type { JsonObject } from '../json/value.ts';
import { againstImage } from '../strict.ts';
import { type ImageView, namedImage, viewImage } from './image.ts';
import { CONTAINER, file, INSTALL, lines, quadlets, subject, unit, units } from './testing.ts';

setQuiet(true);

describe('the systemd and podman of the image', () => {
  let image: ImageView;
  before(async () => {
    image = await viewImage(await namedImage('n100'));
  });
  const said = async (...sections: JsonObject[]): Promise<string[]> =>
    lines(await againstImage(await subject(Object.assign({}, ...sections) as JsonObject), image));

  test('correct units have no finding', async () => {
    const program = { storage: { files: [file('/opt/bin/x', '#!/bin/sh\n', { mode: 0o755 })] } };
    const list = units(
      unit('a.service', `[Unit]\nRequires=b@1.service\n[Service]\nExecStart=/opt/bin/x\n${INSTALL}`, {
        enabled: true,
      }),
      unit('b@.service', '[Service]\nExecStart=/usr/bin/echo %i\n'),
      unit('b@2.service', undefined, { enabled: true }),
      unit('c.timer', '[Timer]\nOnCalendar=daily\nUnit=a.service\n'),
      unit('ssh.service', undefined, {
        dropins: [{ name: 'a.conf', contents: '[Service]\nRestartSec=3\n' }],
      }),
      unit('getty@ttyS1.service', undefined, { enabled: true }),
      unit('systemd-timesyncd.service', undefined, { mask: true }),
    );
    assert.deepEqual(await said(list, program), []);
  });
  test('misspelt directive, unknown section, wrong value: line by line', async () => {
    const text = `[Service]\nExecStrat=/x\nExecStart=/usr/bin/true\nRestart=allways\n[Instal]\nWantedBy=a.target\n`;
    const found = await said(units(unit('a.service', text)));
    assert.deepEqual(
      found.map((line) => line.replace(/;.*/, '')),
      [
        "systemd.units.0.contents systemd, line 2: Unknown key 'ExecStrat' in section [Service], ignoring",
        'systemd.units.0.contents systemd, line 4: Failed to parse Restart=allways, ignoring: Invalid argument',
        "systemd.units.0.contents systemd, line 5: Unknown section 'Instal'. Ignoring",
      ],
    );
  });
  test('a service without a program, and a service with a missing program', async () => {
    const [none = '', missing = '', ...others] = await said(
      units(
        unit('a.service', '[Service]\nType=oneshot\n'),
        unit('b.service', '[Service]\nExecStart=/opt/none\n'),
      ),
    );
    assert.match(none, /^systemd\.units\.0\.contents systemd: Service has no ExecStart=.* write ExecStart=/);
    assert.match(
      missing,
      /^systemd\.units\.1\.contents systemd, line 2: Command \/opt\/none is not executable/,
    );
    assert.deepEqual(others, []);
  });
  test('drop-ins and units among the files, at their place', async () => {
    const files = [
      file('/etc/systemd/system/f.service', '[Service]\nExecStart=/usr/bin/true\nFoo=1\n'),
      file('/etc/systemd/system/ssh.service.d/x.conf', '[Service]\n\nBar=1\n'),
    ];
    const dropins = [{ name: 'y.conf', contents: '[Service]\nBaz=1\n' }];
    const found = await said(
      { storage: { files } },
      units(unit('systemd-networkd.service', undefined, { dropins })),
    );
    assert.deepEqual(found.map((line) => line.replace(/ in section.*/, '')).sort(), [
      "storage.files.0.contents.source systemd, line 3: Unknown key 'Foo'",
      "storage.files.1.contents.source systemd, line 3: Unknown key 'Bar'",
      "systemd.units.0.dropins.0.contents systemd, line 2: Unknown key 'Baz'",
    ]);
  });
  test('units that do not exist', async () => {
    const found = await said(
      units(
        unit('sssh.service', undefined, { enabled: true }),
        unit('none.service', undefined, { dropins: [{ name: 'a.conf', contents: '[Unit]\n' }] }),
        unit('a.service', '[Unit]\nRequires=nope.service\n[Service]\nExecStart=/usr/bin/true\n'),
        unit('../../x.service', '[Unit]\n'),
        unit('b.service', '[Unit]\nRequires=dbus.socket\n[Service]\nExecStart=/usr/bin/true\n'),
        unit('dbus.socket', undefined, { mask: true }),
      ),
    );
    assert.deepEqual(
      found.map((line) => line.replace(/[:;] neither.*|; correct it$/, '')),
      [
        'systemd.units.3.name systemd knows no unit of the name "../../x.service"',
        'systemd.units.0.name no unit sssh.service',
        'systemd.units.1.name no unit none.service',
        'systemd.units.2.contents systemd, line 2: Unit nope.service not found',
        'systemd.units.4.contents systemd, line 2: Unit dbus.socket is masked; this config masks it',
      ],
    );
  });
  test('quadlets that podman refuses, with podman’s words', async () => {
    const found = await said(
      quadlets({
        'garbage.container': 'garbage\n',
        'key.container': `${CONTAINER}Imag=x\n`,
        'none.container': '[Container]\nExec=x\n',
        'short.container': '[Container]\nImage=busybox\n',
        'volume.container': `${CONTAINER}Volume=gone.volume:/x\n`,
      }),
    );
    assert.deepEqual(found.map((line) => line.replace(/;.*/, '')).sort(), [
      'storage.files.0.contents.source podman, line 1: file contains line 1: “garbage” which is not a key-value pair, group, or comment',
      "storage.files.1.contents.source podman, line 3: unsupported key 'Imag' in group 'Container'",
      'storage.files.2.contents.source podman: no Image or Rootfs key specified',
      'storage.files.3.contents.source podman: specifies the image "busybox" which not a fully qualified image name',
      'storage.files.4.contents.source podman, line 3: requested Quadlet source gone.volume was not found',
    ]);
  });
  test('the service that podman makes of a quadlet is checked like other units', async () => {
    const text = `${CONTAINER}[Service]\nRestrat=no\n${INSTALL}`;
    const needs = '[Unit]\nRequires=web.service\n[Service]\nExecStart=/usr/bin/true\n';
    const found = await said(
      quadlets({ 'web.container': text, 'data.volume': '[Volume]\n', 'n.network': '[Network]\n' }),
      units(unit('a.service', needs)),
    );
    assert.deepEqual(
      found.map((line) => line.replace(/;.*/, '')),
      [
        "storage.files.0.contents.source systemd, line 4: Unknown key 'Restrat' in section [Service], ignoring",
      ],
    );
  });
  test('a container with the name of a service of the image would replace that service', async () => {
    const own = units(unit('own.service', '[Service]\nExecStart=/usr/bin/true\n'));
    const found = await said(quadlets({ 'ssh.container': CONTAINER, 'own.container': CONTAINER }), own);
    assert.deepEqual(
      found.map((line) => line.replace(/^\S+ /, '')),
      [
        'own.service is also a unit file of this config, which wins; rename one of them',
        "its ssh.service takes the place of the image's own unit ssh.service; give it another name",
      ],
    );
  });
  test('a unit is not blamed for needing a fetched unit or a refused quadlet', async () => {
    const needs =
      '[Unit]\nRequires=far.service bad.service d-volume.service\n[Service]\nExecStart=/usr/bin/true\n';
    const files = [
      { path: '/etc/systemd/system/far.service', contents: { source: 'https://a/b' } },
      file('/etc/containers/systemd/bad.container', '[Container]\nExec=x\n'),
      file('/etc/containers/systemd/d.volume', '[Volume]\n'),
    ];
    const [refused = '', ...others] = await said({ storage: { files } }, units(unit('a.service', needs)));
    assert.match(refused, /^storage\.files\.1\.\S+ podman: no Image or Rootfs key/);
    assert.deepEqual(others, []);
  });
  test('a sandbox that does not start is reported, and the other checks run', async (t) => {
    const sections = quadlets({ 'a.container': `${CONTAINER}PublishPort=22:22\n` });
    const empty = mkdtempSync(join(tmpdir(), 'draisine-empty-'));
    t.after(() => rmSync(empty, { recursive: true }));
    const found = lines(await againstImage(await subject(sections), { ...image, sandbox: empty }));
    assert.match(found[0] ?? '', /^ units and quadlets were not checked: .*bwrap/);
    assert.match(found[1] ?? '', /tcp\/22 is taken by sshd/);
  });
});
