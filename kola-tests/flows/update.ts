import assert from 'node:assert/strict';
import { Failure } from '../../sdk/lib/errors.ts';
import { enableDelicate, runningRelease, subscribe, updateState } from '../fixtures/updating.ts';
import type { Flow } from '../harness/crash/flow.ts';
import type { Machine } from '../harness/machine/machine.ts';

/* Updates. The harness records the disk that the machine runs from, from power-on. */

async function trialEnds(box: Machine): Promise<void> {
  await box.retry(
    async () => {
      const { lastTrial } = await updateState(box);
      if (!lastTrial) throw new Error('no trial has ended');
    },
    { seconds: 240 },
  );
}

/** Does the work while the channel that the box follows is served. */
async function whileSubscribed(
  subscribing: ReturnType<typeof subscribe>,
  work: (updating: Awaited<ReturnType<typeof subscribe>>) => Promise<void>,
): Promise<void> {
  const updating = await subscribing;
  try {
    await work(updating);
  } finally {
    await updating.close();
  }
}

async function stage(box: Machine): Promise<void> {
  await box.succeed('draisine stage 2>&1', { seconds: 180 });
}

const KEPT = ['/etc/crash/kept', '/var/lib/crash/kept', '/home/kept'].join(' ');

/** Files that no update may lose. */
async function putFiles(box: Machine): Promise<void> {
  await box.succeed(
    `mkdir -p /etc/crash /var/lib/crash && for file in ${KEPT}; do echo kept >$file; done && sync`,
  );
}

async function filesAreThere(box: Machine): Promise<void> {
  assert.equal(await box.succeed(`cat ${KEPT}`), 'kept\nkept\nkept');
  JSON.parse(await box.succeed('cat /var/lib/draisine/update/state.json || echo {}'));
}

/** Makes the served release break a service, so that the machine rejects it and restarts into the old release. */
async function rejected(box: Machine): Promise<void> {
  const asked = box.execute('systemctl is-failed --quiet delicate.service').catch((error: unknown) => {
    if (!box.gone()) throw error;
    return { code: 0 };
  });
  if ((await asked).code !== 0) return;
  await box.goesDown('reboot', { seconds: 300 });
  await box.start();
}

/** The flows of updates: staging, commit, rejection. */
export const UPDATING: readonly Flow[] = [
  {
    name: 'stage',
    what: 'draisine stage: the next release into the other slot of the running system',
    recorded: 'system',
    ends: 'next.uki',
    mayBeEmpty: false,
    comesUp: filesAreThere,
    run: (box, { record }) =>
      whileSubscribed(subscribe(box), async () => {
        await putFiles(box);
        await record();
        await stage(box);
      }),
  },
  {
    name: 'commit',
    what: 'the restart into a staged release, its trial, and its commit',
    recorded: 'system',
    ends: 'next.uki',
    fallback: 'uki',
    mayBeEmpty: false,
    comesUp: filesAreThere,
    run: (box, { record }) =>
      whileSubscribed(subscribe(box), async () => {
        await stage(box);
        await putFiles(box);
        await record();
        await trialEnds(box);
      }),
  },
  {
    name: 'reject',
    what: 'the trial of a release that breaks a service, its rejection, and the restart into the release before',
    recorded: 'system',
    ends: 'uki',
    mayBeEmpty: false,
    settles: rejected,
    comesUp: filesAreThere,
    run: (box, { record }) =>
      whileSubscribed(subscribe(box, { deadline: 60 }), async ({ from }) => {
        await enableDelicate(box, from);
        await stage(box);
        await putFiles(box);
        await record();
        await box.goesDown('reboot', { seconds: 300 });
        await box.start();
        const { version } = await runningRelease(box);
        if (version !== from) throw new Failure(`${version} runs after the rejection`);
      }),
  },
];
