import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry } from '../harness/guest/registry.ts';
import { BUSYBOX, busybox } from '../harness/machine/busybox.ts';
import { fixture } from '../harness/machine/provision.ts';
import { register } from '../harness/run/register.ts';

const machines = { box: { prepare: busybox } };

register(
  {
    name: 'podman.health',
    what: 'The health check of a container reports whether the container is healthy. The box reports the container, not the unit of the check.',
    machines,
  },
  async (_t, { box }) => {
    await box.succeed(`
    podman run --detach --name=web --network=none --entrypoint=/bin/busybox \\
      --health-cmd='test -e /tmp/well' --health-interval=2s --health-retries=1 ${BUSYBOX} sleep 10000`);
    await box.retry(async () =>
      assert.match(await box.succeed('draisine health'), /container web is unhealthy: podman logs web/),
    );
    assert.doesNotMatch(await box.succeed('draisine health'), /has failed/);
    await box.fail('podman healthcheck run web');
    const health = "podman inspect --format='{{.State.Health.Status}}' web";
    assert.equal(await box.succeed(health), 'unhealthy');
    await box.succeed('podman exec web touch /tmp/well');
    await box.retry(async () => assert.equal(await box.succeed(health), 'healthy'));
    await box.retry(async () => assert.doesNotMatch(await box.succeed('draisine health'), /web/));
    await box.waitUntilSucceeds('[ -z "$(systemctl list-units --state=failed --plain --no-legend)" ]');
  },
);

register(
  {
    name: 'podman.rootless',
    what: 'A user without special rights runs containers.',
    machines,
    timeout: 240,
  },
  async (_t, { box }) => {
    await box.succeed(`
    useradd --create-home --shell=/bin/bash alice && loginctl enable-linger alice
    podman save --output=/var/tmp/busybox.tar ${BUSYBOX} && chmod 644 /var/tmp/busybox.tar`);
    assert.match(await box.succeed('grep alice /etc/subuid /etc/subgid'), /subuid:alice:\d+:65536/);
    const uid = await box.succeed('id -u alice');
    await box.waitForUnit(`user@${uid}.service`);
    const asAlice = (script: string): string =>
      `systemd-run --quiet --pipe --wait --uid=alice --property=PAMName=login --setenv=XDG_RUNTIME_DIR=/run/user/${uid} --working-directory=/home/alice bash -c '${script}'`;
    await box.succeed(asAlice('podman load --quiet --input=/var/tmp/busybox.tar'));
    // The container's root is alice on the host. Its port is reached through pasta(1).
    const run = `podman run --rm --entrypoint=/bin/busybox ${BUSYBOX}`;
    assert.equal(
      await box.succeed(asAlice(`podman run --rm --network=none --entrypoint=/bin/busybox ${BUSYBOX} id -u`)),
      '0',
    );
    assert.match(await box.succeed(asAlice(`${run} ip -4 -o address`)), /inet 10\.0\.2\.15/);
    assert.match(
      await box.succeed(asAlice('podman info --format "{{.Host.Security.Rootless}} {{.Store.GraphRoot}}"')),
      /^true \/home\/alice\//,
    );
    assert.equal(
      await box.succeed(
        asAlice(
          `podman run --rm --network=none --memory=48m --entrypoint=/bin/busybox ${BUSYBOX} cat /sys/fs/cgroup/memory.max`,
        ),
      ),
      `${48 * 2 ** 20}`,
    );
    // Root does not see the containers of another user.
    assert.equal(await box.succeed('podman ps --all --quiet'), '');
  },
);

register(
  {
    name: 'podman.on-zfs',
    what: 'Containers are stored in a ZFS dataset.',
    machines: { box: { disks: [{ name: 'disk', size: 512 }], prepare: busybox } },
  },
  async (_t, { box }) => {
    await box.succeed(`
      podman save --output=/var/tmp/busybox.tar ${BUSYBOX}
      zpool create tank ${box.disk('disk')} && podman system reset --force
      rm -rf /var/lib/containers/* && zfs create -o mountpoint=/var/lib/containers -o acltype=posix tank/containers
      podman load --quiet --input=/var/tmp/busybox.tar`);
    assert.equal(
      await box.succeed(
        `podman run --name=one --network=none --entrypoint=/bin/busybox ${BUSYBOX} sh -c 'echo written >/file; cat /file'`,
      ),
      'written',
    );
    assert.match(await box.succeed('podman info --format "{{.Store.GraphDriverName}}"'), /^overlay$/);
    assert.equal(
      await box.succeed('findmnt --noheadings --output FSTYPE --target /var/lib/containers/storage'),
      'zfs',
    );
    assert.match(await box.succeed('podman diff one'), /^A \/file$/m);
  },
);

register(
  {
    name: 'podman.fifty',
    what: 'Fifty containers run at once, and all can be removed.',
    machines,
    long: 'fifty starts take minutes under emulation; podman.limits and the rest start a few',
    tags: ['slow'],
    timeout: 360,
  },
  async (_t, { box }) => {
    await box.succeed(
      `seq 50 | xargs -P 2 -I N podman run --quiet --detach --name=cN --network=none --cgroups=no-conmon --entrypoint=/bin/busybox ${BUSYBOX} sleep 10000`,
      { seconds: 240 },
    );
    assert.equal(await box.succeed('podman ps --quiet | wc -l'), '50');
    assert.equal(await box.succeed('podman exec c37 hostname | wc -l'), '1');
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    await box.succeed('podman rm --all --force --time=0', { seconds: 240 });
    // The monitors (conmon) end a moment later.
    await box.retry(
      async () => assert.equal(await box.succeed('podman ps --all --quiet; pgrep -c conmon || true'), '0'),
      { seconds: 10 },
    );
  },
);

/** The path of the largest file below a folder. */
function largest(dir: string): string {
  const sizes = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(dir, name))
    .map((path) => ({ path, stat: statSync(path) }))
    .filter(({ stat }) => stat.isFile())
    .sort((a, b) => b.stat.size - a.stat.size);
  assert.ok(sizes[0], `nothing in ${dir}`);
  return sizes[0].path;
}

// A registry in the home network, with a certificate of its own.
register(
  {
    name: 'podman.registry',
    what: 'An image is pushed to a private registry and pulled again, and a damaged image is refused.',
    machines,
  },
  async (t, { box }) => {
    const registry = await startRegistry({
      cert: fixture('tls/server.pem'),
      key: fixture('tls/server.key'),
    });
    t.after(() => registry.close());
    const name = `${registry.host}/house/busybox`;
    const untrusted = await box.fail(`podman push --quiet ${BUSYBOX} ${name} 2>&1`);
    assert.match(untrusted, /certificate signed by unknown authority/);

    const trusted = `/etc/containers/certs.d/${registry.host}`;
    await box.succeed(`mkdir -p ${trusted}`);
    await box.copyTo(readFileSync(fixture('tls/ca.pem')), `${trusted}/ca.crt`);
    await box.succeed(`podman push --quiet --digestfile=/tmp/digest ${BUSYBOX} ${name}`);
    const digest = await box.succeed('cat /tmp/digest');
    await box.succeed('podman rmi --all --force');

    assert.equal(
      await box.succeed(
        `podman run --rm --network=none --entrypoint=/bin/busybox ${name}@${digest} echo pulled 2>/dev/null`,
      ),
      'pulled',
    );
    assert.match(await box.fail(`podman pull --quiet --retry=0 ${name}:other 2>&1`), /manifest unknown/);

    // podman does not run an image whose digest is not the requested one.
    await box.succeed('podman rmi --all --force');
    const layer = largest(registry.storage);
    const bytes = readFileSync(layer);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(layer, bytes);
    const spoiled = await box.fail(`podman pull --quiet --retry=0 ${name}@${digest} 2>&1`);
    assert.match(spoiled, /Digest did not match/);
    assert.equal(await box.succeed('podman images --quiet'), '');
  },
);
