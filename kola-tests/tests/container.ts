import assert from 'node:assert/strict';
import { dataUrl } from '../harness/guest/ignition.ts';
import { BUSYBOX, busybox } from '../harness/machine/busybox.ts';
import { register } from '../harness/run/register.ts';

const machines = { box: { prepare: busybox } };

register(
  {
    name: 'container.run',
    what: 'A container runs, reports its exit code and is isolated from the host.',
    machines,
  },
  async (_t, { box }) => {
    const run = (options: string, command: string): string =>
      `podman run --rm --entrypoint=/bin/busybox ${options} ${BUSYBOX} ${command}`;

    assert.equal(await box.succeed(run('--network=none', 'echo hello')), 'hello');
    assert.equal((await box.execute(run('--network=none', "sh -c 'exit 42'"))).code, 42);
    // It has its own root file system, an address in the bridge network, and aardvark-dns as its resolver.
    assert.match(await box.succeed(run('', 'ip -4 address show dev eth0')), /inet 10\.88\./);
    // It has its own process, user and mount name spaces: it is process 1 and does not see the host.
    assert.equal(await box.succeed(run('--network=none', "sh -c 'echo $$'")), '1');
    await box.fail(run('--network=none', 'ls /etc/machine-id'));
  },
);

register(
  {
    name: 'container.published-port',
    what: 'Another machine reaches a published port of a container until the container stops.',
    machines,
    expect: [/^listener: tcp .*:8080 /],
  },
  async (_t, { box }) => {
    await box.succeed(`
    mkdir -p /var/lib/www && echo 'hello from a container' >/var/lib/www/index.html
    podman run --detach --name=web --publish=8080:80 --volume=/var/lib/www:/www:ro \\
      --entrypoint=/bin/busybox ${BUSYBOX} httpd -f -p 80 -h /www`);
    const port = await box.forward(8080);
    const answer = await box.retry(async () => await (await fetch(`http://127.0.0.1:${port}/`)).text());
    assert.equal(answer, 'hello from a container\n');

    await box.succeed('podman stop --time=1 web');
    await assert.rejects(
      fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(10_000) }),
      'the port is still published',
    );
  },
);

const QUADLET = `[Unit]
Description=A web server that the machine config describes
Requires=load-busybox.service
After=load-busybox.service

[Container]
Image=${BUSYBOX}
Pull=never
PublishPort=8080:80
Volume=/var/lib/www:/www:ro
Entrypoint=/bin/busybox
Exec=httpd -f -p 80 -h /www

[Install]
WantedBy=multi-user.target
`;

/** Loads the image from a disk, as a machine without a registry does. */
const LOADER = `[Unit]
Description=Load the image of the web server
ConditionPathExists=!/var/lib/busybox-loaded

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/podman load --input=/dev/disk/by-id/virtio-busybox
ExecStart=/usr/bin/touch /var/lib/busybox-loaded
`;

register(
  {
    name: 'container.quadlet',
    what: 'A container that the machine config describes starts at each boot.',
    machines: {
      box: { firmware: 'none', start: 'first-boot', disks: [{ name: 'busybox', artifact: 'oci-busybox' }] },
    },
    config: {
      ignition: { version: '3.3.0' },
      storage: {
        files: [
          {
            path: '/etc/containers/systemd/web.container',
            mode: 0o644,
            contents: { source: dataUrl(QUADLET) },
          },
          {
            path: '/var/lib/www/name',
            mode: 0o644,
            contents: { source: dataUrl('from the machine config') },
          },
        ],
      },
      systemd: { units: [{ name: 'load-busybox.service', contents: LOADER }] },
    },
    timeout: 240,
    expect: [/^listener: tcp .*:8080 /],
  },
  async (_t, { box }) => {
    await box.waitForUnit('web.service', { seconds: 90 });
    const port = await box.forward(8080);
    const get = async (): Promise<string> => await (await fetch(`http://127.0.0.1:${port}/name`)).text();
    assert.equal(await box.retry(get), 'from the machine config');
    const first = await box.succeed("podman ps --format='{{.ID}}'");

    await box.reboot();
    await box.waitForUnit('web.service', { seconds: 90 });
    assert.equal(await box.retry(get), 'from the machine config');
    assert.notEqual(
      await box.succeed("podman ps --format='{{.ID}}'"),
      first,
      'the container was not started anew',
    );
  },
);
