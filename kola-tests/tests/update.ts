import assert from 'node:assert/strict';
import {
  enableDeadly,
  enableDelicate,
  enableFirmwareWithoutRename,
  goDown,
  restart,
  runningRelease,
  subscribe,
  type UpdateState,
  type Updating,
  updateState,
} from '../fixtures/updating.ts';
import { BUSYBOX, busybox } from '../harness/machine/busybox.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

/* Updates of a box to the next release, which differs only by its version. */

/** Waits until the trial of the running release has ended, with either result. */
async function trialEnds(box: Machine, version: string): Promise<UpdateState> {
  await box.waitUntilSucceeds(
    `grep -A3 '"lastTrial"' /var/lib/draisine/update/state.json | grep -F '"version": "${version}"'`,
    { seconds: 120 },
  );
  return await updateState(box);
}

/** Waits until the box has rejected `to` because it used all its tries. The box must run `from`. */
async function hasUsedAllTries(box: Machine, { from, to }: Pick<Updating, 'from' | 'to'>): Promise<void> {
  assert.deepEqual(await runningRelease(box), {
    version: from,
    entries: [`draisine_${from}.efi`, `draisine_${to}+0-3.efi`],
  });
  await box.retry(async () => {
    const { rejected } = await updateState(box);
    assert.match(rejected.find(({ version }) => version === to)?.reason ?? '', /started 3 times/);
  });
}

/** Asks the container of `serveFromContainer`. */
const ASK = 'curl --silent --fail --max-time 5 --output /dev/null http://127.0.0.1:8080/';

/** Starts a web server in a container of the owner. Other machines cannot reach it. */
async function serveFromContainer(box: Machine): Promise<void> {
  const quadlet = `[Container]
Image=${BUSYBOX}
Pull=never
PublishPort=127.0.0.1:8080:80
Volume=/var/lib/www:/www:ro
Entrypoint=/bin/busybox
Exec=httpd -f -p 80 -h /www
[Install]
WantedBy=multi-user.target
`;
  await box.succeed(
    'umask 022; mkdir -p /var/lib/www /etc/containers/systemd; echo hello >/var/lib/www/index.html',
  );
  await box.copyTo(Buffer.from(quadlet), '/etc/containers/systemd/web.container');
  await box.succeed('systemctl daemon-reload && systemctl start web.service', { seconds: 60 });
  await box.waitUntilSucceeds(ASK, { seconds: 60 });
}

register(
  {
    name: 'update.commit',
    what: 'Of a release only new blocks are fetched. It is tried and committed, and the owner can roll it back; pools stay usable.',
    machines: { box: { disks: [{ name: 'left', size: 128 }] } },
    timeout: 480,
  },
  async (t, { box }) => {
    const updating = await subscribe(box);
    const { server, from, to } = updating;
    try {
      await box.succeed(`echo mine >/etc/mine; zpool create tank ${box.disk('left')}; echo data >/tank/data`);
      await box.succeed(`umask 077; head -c 32 /dev/urandom >/root/key
        zfs create -o encryption=on -o keyformat=raw -o keylocation=file:///root/key -o canmount=noauto tank/secret
        zfs mount tank/secret && echo deep >/tank/secret/data && zfs unmount tank/secret`);
      // Entries that an owner has chosen would be booted instead of the release on trial.
      await box.succeed(`bootctl set-default draisine_${from}.efi
        mkdir -p /run/esp && mount /dev/disk/draisine/esp /run/esp
        echo 'default draisine_${from}.efi' >>/run/esp/loader/loader.conf; umount /run/esp`);
      const began = Date.now();
      const before = server.sent();
      t.diagnostic(await box.succeed('draisine check', { seconds: 60 }));
      const seconds = Number(
        await box.succeed(
          'b=$(date +%s); draisine stage >/root/said 2>&1 || { cat /root/said >&2; exit 1; }; echo $(($(date +%s) - b))',
          {
            seconds: 180,
          },
        ),
      );
      const { files } = updating.channel.release;
      const all = Object.values(files).reduce((sum, file) => sum + (file?.size ?? 0), 0);
      const fetched = server.sent() - before;
      t.diagnostic(`staged in ${seconds} s, ${fetched} of ${all} bytes fetched`);
      assert.ok(fetched < all * 0.06, `${fetched} of ${all} bytes fetched`);
      assert.deepEqual(await runningRelease(box), {
        version: from,
        entries: [`draisine_${from}.efi`, `draisine_${to}+3.efi`],
      });

      await restart(box);
      const { lastTrial } = await trialEnds(box, to);
      t.diagnostic(
        `${lastTrial?.text ?? ''}: ${Math.round((Date.now() - began) / 1000)} s from check to commit`,
      );
      assert.deepEqual(await runningRelease(box), {
        version: to,
        entries: [`draisine_${from}.efi`, `draisine_${to}.efi`],
      });
      assert.equal(await box.succeed('cat /etc/mine; systemctl is-system-running'), 'mine\nrunning');
      // The pool was read before any program could write to it, and it is imported.
      const read = 'systemctl show --value -p ExecMainExitTimestampMonotonic draisine-read-pools.service';
      assert.notEqual(await box.succeed(read), '0');
      assert.equal(await box.succeed('cat /tank/data && echo newer >/tank/data'), 'data');

      await box.succeed('zfs mount tank/secret && grep -x deep /tank/secret/data && zfs unmount tank/secret');

      // A rollback by hand is refused if the other release cannot read the pool.
      assert.doesNotMatch(await box.succeed('draisine status'), /^pools/m);
      const record = '/var/lib/draisine/update/readable.json';
      await box.succeed(`cp ${record} /root/readable.json && sed -i /spacemap_histogram/d ${record}`);
      const refused = await box.execute('draisine rollback');
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, new RegExp(`${from} cannot read these pools: tank: spacemap_histogram`));
      assert.match(await box.succeed('draisine status'), /cannot read pool tank: spacemap_histogram/);
      await box.succeed(`cp /root/readable.json ${record}`);
      // Now the old release is on trial, and the firmware cannot rename files.
      await enableFirmwareWithoutRename(box);
      await goDown(box, 'rollback');
      await box.start();
      await trialEnds(box, from);
      await box.succeed('journalctl --boot --no-pager | grep -F "the firmware does not count boots"');
      assert.deepEqual(await runningRelease(box), {
        version: from,
        entries: [`draisine_${from}.efi`, `draisine_${to}+0-1.efi`],
      });
      assert.equal(await box.succeed('cat /tank/data'), 'newer');
    } finally {
      await updating.close();
    }
  },
);

register(
  {
    name: 'update.reject',
    long: 'boots of two releases, one after the other: several minutes under emulation; update.waits stages one',
    what: 'A release that breaks a service is rejected by itself, and not tried again, and the box shows the reason. A container serves without a gap.',
    machines: { box: { prepare: busybox } },
    timeout: 540,
    expect: [/delicate\.service/],
  },
  async (t, { box }) => {
    const updating = await subscribe(box, { deadline: 100 });
    const { from, to } = updating;
    try {
      await enableDelicate(box, from);
      await serveFromContainer(box);
      await box.succeed(
        `(while [ ! -e /run/staged ]; do ${ASK} || echo lost >>/root/lost; echo >>/root/asked; sleep 0.5; done) &
        draisine stage 2>&1; code=$?; touch /run/staged; wait; exit $code`,
        { seconds: 180 },
      );
      assert.equal(await box.succeed('cat /root/lost 2>/dev/null || :'), '');
      const asked = Number(await box.succeed('grep -c "" /root/asked'));
      assert.ok(asked > 5, `the container was asked ${asked} times`);
      await box.succeed('echo old >/etc/changed');
      await restart(box);
      assert.equal((await runningRelease(box)).version, to);
      await box.succeed('echo new >/etc/changed');
      await box.goesDown('reboot', { seconds: 240 });
      await box.start();
      assert.deepEqual(await runningRelease(box), {
        version: from,
        entries: [`draisine_${from}.efi`, `draisine_${to}+0-1.efi`],
      });
      const { rejected, staged } = await updateState(box);
      assert.equal(staged, undefined);
      assert.match(rejected.find(({ version }) => version === to)?.reason ?? '', /delicate\.service/);
      assert.equal(
        await box.succeed('systemctl is-active delicate.service; cat /etc/changed'),
        'active\nold',
      );
      await box.waitUntilSucceeds(ASK, { seconds: 60 });
      const why = await box.succeed('draisine why');
      t.diagnostic(why);
      assert.match(why, /delicate\.service/);
      // The box does not try it again by itself.
      assert.match((await box.execute('draisine update; draisine stage')).stderr, /was rejected/);
    } finally {
      await updating.close();
    }
  },
);

register(
  {
    name: 'update.pool-lost',
    long: 'boots of two releases, one after the other: several minutes under emulation; update.waits stages one',
    what: 'A release that does not find a disk of a pool writes nothing to the pool, and is rejected by itself.',
    machines: {
      box: {
        disks: [
          { name: 'left', size: 128 },
          { name: 'right', size: 128 },
        ],
      },
    },
    timeout: 480,
    expect: [/draisine-read-pools\.service/, /zfs/],
  },
  async (_t, { box }) => {
    const updating = await subscribe(box, { deadline: 130 });
    const { from, to } = updating;
    try {
      await box.succeed(
        `zpool create tank mirror ${box.disk('left')} ${box.disk('right')}; echo data >/tank/data`,
      );
      await box.succeed('draisine stage 2>&1', { seconds: 180 });
      await goDown(box, 'reboot');
      // Imitates a new kernel without a driver for the disk's controller.
      await box.unplug('right');
      // Not until the boot has ended: the import is tried again, which waits for the disk for another minute.
      await box.powerOn();
      await box.waitForConsole(/is on trial until/, { seconds: 150 });
      assert.equal((await runningRelease(box)).version, to);
      assert.equal(await box.succeed('zpool list -H'), '');
      // Labels and uberblocks are in the first 512 KiB. Nothing has written to them.
      const labels = `head -c 512K ${box.disk('left')}-part1 | sha256sum`;
      const before = await box.succeed(labels);
      await box.waitUntilSucceeds('grep -F "pool tank" /run/draisine/on-trial.json', { seconds: 60 });
      assert.equal(await box.succeed(labels), before);
      await box.goesDown('reboot', { seconds: 240 });
      await box.plug('right');
      await box.start();
      assert.equal((await runningRelease(box)).version, from);
      const { rejected } = await updateState(box);
      assert.match(rejected.find(({ version }) => version === to)?.reason ?? '', /pool tank/);
      await box.waitUntilSucceeds('zpool list -H -o health tank | grep -x ONLINE', { seconds: 60 });
      assert.equal(await box.succeed('cat /tank/data'), 'data');
    } finally {
      await updating.close();
    }
  },
);

register(
  {
    name: 'update.stick',
    what: 'When a stick with a release is plugged in, the release is staged.',
    machines: { box: { disks: [{ name: 'stick', size: 256, bus: 'usb' }] } },
    timeout: 240,
  },
  async (_t, { box }) => {
    const updating = await subscribe(box);
    const { from, to, server } = updating;
    try {
      const image = await box.succeed('. /usr/lib/os-release; echo $IMAGE_ID');
      const release = `${image}/releases/${to}`;
      const files = ['root.json', `${image}/stable.json`, `${release}/release.json`]
        .concat(`${release}/usr.img`, `${release}/uki.efi`)
        .map((path) => `curl --silent --fail --create-dirs --output /mnt/${path} ${server.url}/${path}`);
      const stick = box.disk('stick');
      await box.succeed(
        `mkfs.ext4 -q -L DRAISINE-UPDATE ${stick} && mount ${stick} /mnt && ${files.join(' && ')} && umount /mnt`,
        { seconds: 120 },
      );
      // From now on the machine config names no server, so the box asks none.
      await box.succeed('echo \'{"format": 1, "mode": "stage"}\' >/etc/draisine/update.json');
      const before = server.sent();
      await box.unplug('stick');
      await box.plug('stick');
      await box.waitUntilSucceeds('grep -F \'"staged": {\' /var/lib/draisine/update/state.json', {
        seconds: 120,
      });
      assert.deepEqual(await runningRelease(box), {
        version: from,
        entries: [`draisine_${from}.efi`, `draisine_${to}+3.efi`],
      });
      assert.equal(server.sent(), before);
      await box.waitUntilSucceeds(`! grep -F draisine/stick /proc/mounts`, { seconds: 30 });
    } finally {
      await updating.close();
    }
  },
);

register(
  {
    name: 'update.no-start',
    long: 'boots of two releases, one after the other: several minutes under emulation; update.waits stages one',
    what: 'A release that does not start gets three tries. Then the box runs the previous release, and reports that.',
    timeout: 600,
  },
  async (_t, { box }) => {
    const updating = await subscribe(box);
    const { to } = updating;
    try {
      await box.succeed('draisine stage 2>&1', { seconds: 180 });
      // The hash tree is damaged after it was read back. The initrd stops and restarts the machine.
      const slot = '/dev/disk/by-partlabel/draisine_usr_verity_';
      await box.succeed(`dd if=/dev/zero of=${slot}${to} bs=4096 count=2 conv=notrunc,fsync status=none`);
      await goDown(box, 'reboot');
      for (let tries = 1; tries <= 3; tries += 1) {
        await box.powerOn();
        await box.goesDown('reboot', { seconds: 120 });
      }
      assert.match(await box.consoleText(), /This release is on trial\. The machine restarts/);
      await box.start();
      await hasUsedAllTries(box, updating);
    } finally {
      await updating.close();
    }
  },
);

register(
  {
    name: 'update.dies',
    long: 'four boots and a watchdog: six minutes under emulation; update.no-start has tries that end sooner',
    what: 'A panic, a hang and a power cut each cost a release on trial one of its tries. Then the box runs the previous release.',
    timeout: 600,
  },
  async (_t, { box }) => {
    const updating = await subscribe(box, { settle: 800 });
    const { from, to } = updating;
    try {
      await enableDeadly(box, to);
      await box.succeed('draisine stage 2>&1', { seconds: 180 });
      await goDown(box, 'reboot');
      assert.match(
        await box.bootFails({ seconds: 180 }),
        /Kernel panic - not syncing: sysrq triggered crash/,
      );
      // systemd is frozen, and nothing resets the timer of the chipset's watchdog.
      await box.powerOn();
      await box.goesDown('reboot', { seconds: 240 });
      // Neither systemd nor the kernel has restarted the machine. journald may not notice in time that PID 1 does not
      // answer.
      const console = await box.consoleText();
      const hung = console.slice(console.lastIndexOf('BdsDxe: starting'));
      assert.doesNotMatch(hung, /reboot: Restarting system|Kernel panic/);
      await box.start();
      assert.deepEqual(await runningRelease(box), {
        version: to,
        entries: [`draisine_${from}.efi`, `draisine_${to}+0-3.efi`],
      });
      await box.crash();
      await box.start();
      await hasUsedAllTries(box, updating);
    } finally {
      await updating.close();
    }
  },
);

register(
  {
    name: 'update.torn-table',
    long: 'two boots of its own, 85 s; crash states of `test --all` judge every torn table',
    what: 'A power cut while the partition table is written leaves a machine that boots, from the table’s second copy.',
    // OVMF repairs the first copy by itself. Not every firmware does.
    machines: { box: { start: 'fresh', firmware: 'none' } },
    timeout: 240,
  },
  async (_t, { box }) => {
    await box.succeed('dd if=/dev/zero of=/dev/vda bs=512 seek=1 count=1 conv=notrunc,fsync status=none');
    await box.reboot();
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
    assert.equal(await box.succeed('lsblk --noheadings --raw --output PARTLABEL /dev/vda | grep -c .'), '6');
    assert.equal(await box.succeed('head -c 520 /dev/vda | tail -c 8 | tr -d "\\0" | wc -c'), '0');
  },
);
