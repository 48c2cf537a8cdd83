import { commitNow, reboot, rollback } from './change.ts';
import { free } from './free.ts';
import { hold, releaseHold } from './hold.ts';
import { checkNow, status, why } from './look.ts';
import type { OptionNames } from './options.ts';
import { replicateNow } from './replicate.ts';
import { reset } from './reset.ts';
import { stageNow } from './stage.ts';
import { update } from './timer.ts';
import { health, notifyTest, watchNow } from './told.ts';
import { boot, readPools } from './units.ts';
import type { Verb } from './verb.ts';

/** All verbs with their options and help texts. A verb without a help text is for units only. */
export const VERBS: Readonly<
  Record<
    string,
    OptionNames & {
      readonly run: Verb;
      readonly usage: string;
      readonly does?: string;
    }
  >
> = {
  status: {
    run: status,
    options: [],
    usage: 'status',
    does: 'the running, staged, tried and rejected releases',
  },
  why: { run: why, options: [], usage: 'why', does: 'the reasons why no update happens, and what ends them' },
  health: { run: health, options: [], usage: 'health', does: 'problems of this machine, the worst first' },
  notify: { run: notifyTest, options: [], usage: 'notify', does: 'sends a test message to every receiver' },
  free: {
    run: free,
    options: [],
    usage: 'free',
    does: 'makes room on the state partition: removes unused images and old messages',
  },
  check: {
    run: checkNow,
    options: ['base'],
    usage: 'check',
    does: 'asks the channel for a release, and changes nothing',
  },
  stage: {
    run: stageNow,
    options: ['base'],
    usage: 'stage [VERSION]',
    does: 'puts the next release into the other slot',
  },
  reboot: { run: reboot, options: [], usage: 'reboot', does: 'restarts into the staged release' },
  commit: { run: commitNow, options: [], usage: 'commit', does: 'ends a trial: the running release stays' },
  rollback: {
    run: rollback,
    options: [],
    flags: ['without-pools'],
    usage: 'rollback [--without-pools]',
    does: 'restarts into the release of the other slot',
  },
  hold: {
    run: hold,
    options: ['reason', 'for'],
    usage: 'hold NAME [--reason TEXT] [--for 14d]',
    does: 'prevents updates until it is released',
  },
  'release-hold': { run: releaseHold, options: [], usage: 'release-hold NAME', does: 'ends a hold' },
  replicate: {
    run: replicateNow,
    options: [],
    usage: 'replicate NAME',
    does: 'sends a dataset to its target now',
  },
  reset: {
    run: reset,
    options: [],
    lists: ['keep'],
    flags: ['blank', 'yes', 'no-restart'],
    usage: 'reset [--keep PATH…] [--yes]',
    does: 'empties the state partition and provisions this machine again',
  },
  watch: { run: watchNow, options: [], usage: 'watch' },
  update: { run: update, options: ['base'], usage: 'update' },
  boot: { run: boot, options: [], usage: 'boot' },
  'read-pools': { run: readPools, options: [], usage: 'read-pools' },
};
