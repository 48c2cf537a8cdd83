import assert from 'node:assert/strict';
import { copyFile, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeChannel } from '../fixtures/channel.ts';
import { runningRelease, subscribe, subscribeTo, type Updating, updateState } from '../fixtures/updating.ts';
import { startServe } from '../harness/guest/draisine.ts';
import { softly } from '../harness/guest/soft.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

/* Updates: which releases a box takes from a channel, which it refuses, and when it waits. */

const HOUR = 3_600_000;
const time = (milliseconds: number) => new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');

/** Paths of files of BASE, and a function that damages one of them for a while. */
function spoiler({ channel, to }: Updating, image: string) {
  const at = (path: string) => join(channel.folder, path);
  const paths = {
    root: at('root.json'),
    channel: at(`${image}/stable.json`),
    release: at(`${image}/releases/${to}/release.json`),
    usr: at(`${image}/releases/${to}/usr.img`),
    uki: at(`${image}/releases/${to}/uki.efi`),
  };
  /** Gives a file another content while `use` runs. Large files are links, so the original is moved, not copied. */
  const spoilt = async (which: keyof typeof paths, content: string | Buffer, use: () => Promise<void>) => {
    const path = paths[which];
    await rename(path, `${path}.kept`);
    try {
      await writeFile(path, content);
      await use();
    } finally {
      await rename(`${path}.kept`, path);
    }
  };
  return { paths, spoilt };
}

/** Returns a check: a verb of `draisine` fails with a matching message, and leaves the disk unchanged. */
function refuser(box: Machine, from: string) {
  return async (verb: string, why: RegExp, withCode = 1): Promise<void> => {
    const { code, stderr } = await box.execute(`draisine ${verb}`, { seconds: 120 });
    assert.match(stderr, why);
    assert.equal(code, withCode, stderr);
    assert.deepEqual(await runningRelease(box), { version: from, entries: [`draisine_${from}.efi`] });
  };
}

/** Checks that the box waits for a reason of this kind, and says what ends the wait. */
async function waits(box: Machine, kind: string): Promise<void> {
  await box.succeed('draisine check', { seconds: 60 });
  const told = JSON.parse(await box.succeed('draisine why --json')) as {
    next?: { waits: { kind: string; end: string }[] };
  };
  const found = told.next?.waits.find((wait) => wait.kind === kind);
  assert.ok(found, `${kind}: ${JSON.stringify(told.next)}`);
  assert.notEqual(found.end, '');
}

register(
  {
    name: 'update.refused',
    what: 'A box takes a release only if it is signed, newer, complete and made for its image. Otherwise one sentence says what is wrong.',
    timeout: 600,
  },
  async (_t, { box }) => {
    const updating = await subscribe(box);
    const { channel, from, to } = updating;
    const image = await box.succeed('. /usr/lib/os-release; echo $IMAGE_ID');
    const { paths, spoilt } = spoiler(updating, image);
    const refused = refuser(box, from);
    const stranger = await makeChannel({ image, version: from, usr: paths.usr, uki: paths.uki });
    const checked = (which: Parameters<typeof spoilt>[0], content: string, why: RegExp) => () =>
      spoilt(which, content, () => refused('check', why));
    const good = await readFile(paths.channel, 'utf8');
    const strange = await readFile(join(stranger.folder, image, 'stable.json'), 'utf8');
    await stranger.remove();
    const forged = good.replace('\\"serial\\":1', '\\"serial\\":9');
    assert.notEqual(forged, good);
    const again = () => channel.issue();
    try {
      await softly(box, {
        'an empty channel': checked('channel', '\n', /the channel file is not JSON: it is empty/),
        'a truncated file': checked('channel', good.slice(0, 300), /the channel file is not JSON/),
        'a web page': checked('channel', '<!doctype html><p>Log in', /it looks like a web page/),
        'a changed file': checked('channel', forged, /has a wrong signature/),
        'a file by another key': checked('channel', strange, /has 0 of the 1 signatures/),
        'a root without keys': checked(
          'root',
          '{"signed": "{}", "signatures": []}',
          /root\.json: has format/,
        ),
        'an endless file': async () => {
          await spoilt('channel', '', async () => {
            await truncate(paths.channel, 10 * 2 ** 30);
            await refused('check', /stable\.json: the file is larger than it may be/);
          });
        },
        'no file': async () => {
          await copyFile(paths.channel, `${paths.channel}.copy`);
          await rm(paths.channel);
          await refused('check', new RegExp(`there is no channel stable of ${image}`));
          await rename(`${paths.channel}.copy`, paths.channel);
        },
        'the channel of another image': async () => {
          await channel.issue({ image: 'other' });
          await refused('check', /is the channel stable of other, not stable of/);
          await channel.issue({ channel: 'alpha' });
          await refused('check', /is the channel alpha of/);
          await again();
        },
        'an older file': async () => {
          await box.succeed('draisine check', { seconds: 60 });
          await spoilt('channel', good, () => refused('check', /has serial 1, but \d+ was accepted before/));
        },
        'another release.json': async () => {
          const release = await readFile(paths.release, 'utf8');
          await spoilt('release', `${release}\n`, () =>
            refused('stage', /is not the one that the channel names/),
          );
        },
        'another /usr': async () => {
          await spoilt('usr', Buffer.alloc(64), () =>
            refused('stage', /does not support ranges|hash tree|bytes, but its release|refuses/),
          );
        },
        'another kernel image': async () => {
          await spoilt('uki', Buffer.alloc((await readFile(paths.uki)).length), () =>
            refused('stage', new RegExp(`uki\\.efi is not the one that ${to} names`)),
          );
        },
        'a state partition that is full': async () => {
          await box.succeed(
            'fallocate -l $(($(df --output=avail -B1 / | tail -n 1) - 4096)) /filler; ! echo more >/filler2 || cat /dev/zero >/filler2 || :',
          );
          await refused('stage', /No space|ENOSPC|cannot/);
          await box.succeed('rm -f /filler /filler2');
        },
        'two updates at the same time': async () => {
          const lock = '/run/draisine/update.lock';
          await box.succeed(`mkdir -p ${lock} && echo -n 1 >${lock}/owner`);
          await refused('check', /another update is running/, 75);
          await box.succeed(`rm -r ${lock}`);
        },
      });
    } finally {
      await updating.close();
    }
  },
);

register(
  {
    name: 'update.waits',
    what: 'A box that updates from `draisine serve` says why it waits with an update, and what ends the wait.',
    timeout: 480,
  },
  async (_t, { box }) => {
    const manifest = dirname(await box.artifact('boot.ipxe'));
    const updating = await subscribeTo(box, {}, async (folder) => {
      const { url, close } = await startServe(manifest, '--updates', folder);
      return { url: `${url}updates`, close };
    });
    const { channel, from, to } = updating;
    const policy = async (changes: object) => {
      const settings = { base: updating.server.url, mode: 'stage', ...changes };
      await box.copyTo(Buffer.from(JSON.stringify(settings)), '/etc/draisine/update.json');
    };
    const since = time(Date.now() - HOUR);
    const issued = (changes: Parameters<typeof channel.issue>[0], kind: string) => async () => {
      await channel.issue(changes);
      await waits(box, kind);
      await channel.issue();
    };
    const told = (changes: object, kind: string) => async () => {
      await policy(changes);
      await waits(box, kind);
      await policy({});
    };
    try {
      await softly(box, {
        halted: issued({ halted: { reason: 'looking', since } }, 'halted'),
        withdrawn: issued({ withdrawn: [{ version: to, reason: 'eats data', since }] }, 'withdrawn'),
        rollout: issued({ rollout: { begins: time(Date.now() + HOUR), hours: 1 } }, 'rollout'),
        expired: issued(
          { issued: time(Date.now() - 100 * HOUR), expires: time(Date.now() - HOUR) },
          'expired',
        ),
        notify: told({ mode: 'notify' }, 'mode'),
        max: told({ max: from }, 'max'),
        pinned: async () => {
          await policy({ pin: from });
          assert.match(await box.succeed('draisine check', { seconds: 60 }), /is pinned to/);
          await policy({});
        },
        'a pool that the release cannot read': async () => {
          await box.succeed('truncate -s 80M /root/pool && zpool create tank /root/pool');
          await channel.republish({ zfs: { version: '0.6.5', features: ['async_destroy'] } });
          await waits(box, 'features');
          assert.match(
            await box.succeed('draisine why'),
            /cannot read these pools: tank: .*spacemap_histogram/,
          );
          await box.succeed('zpool destroy tank && rm /root/pool');
          await channel.republish();
        },
        held: async () => {
          await box.succeed("draisine hold film --reason 'a film runs' --for 2h");
          await waits(box, 'hold');
          assert.match(await box.fail('draisine stage', { seconds: 60 }), /held by film: a film runs/);
          await box.succeed('draisine release-hold film');
        },
        'a clock of 2021': async () => {
          await channel.issue({ issued: time(Date.now() - 100 * HOUR), expires: time(Date.now() - HOUR) });
          await box.succeed('timedatectl set-ntp false || :; date --set 2021-01-01 >/dev/null');
          await waits(box, 'expired');
          await box.succeed(`date --set @${Math.floor(Date.now() / 1000)} >/dev/null`);
          await channel.issue();
        },
        'a state file that is damaged': async () => {
          await box.succeed('echo "{\\"format\\": 7" >/var/lib/draisine/update/state.json; draisine check', {
            seconds: 60,
          });
          assert.equal((await updateState(box)).staged, undefined);
          assert.match(
            await box.succeed('journalctl --sync && journalctl --identifier=draisine --no-pager'),
            /so a new one begins/,
          );
        },
      });
      // The window is open now by the clock of Kiritimati, and closed by that of UTC.
      await box.succeed('draisine stage', { seconds: 180 });
      const minutes = (Math.floor(Date.now() / 60_000) + 14 * 60 - 5) % 1440;
      const clock = `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
      const windows = [{ from: clock, minutes: 60 }];
      await policy({ mode: 'auto', windows, zone: 'UTC' });
      await waits(box, 'window');
      await policy({ mode: 'auto', windows, zone: 'Pacific/Kiritimati' });
      const { next } = JSON.parse(await box.succeed('draisine why --json')) as { next: { action: string } };
      assert.equal(next.action, 'reboot');
      // The release is withdrawn after it was staged, so it must leave the boot menu.
      await channel.issue({ withdrawn: [{ version: to, reason: 'eats data', since }] });
      await box.succeed('draisine check && draisine update', { seconds: 120 });
      assert.deepEqual(await runningRelease(box), { version: from, entries: [`draisine_${from}.efi`] });
    } finally {
      await updating.close();
    }
  },
);
