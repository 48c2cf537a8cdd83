import type { Release } from '../../../build/release/format/types.ts';
import { slotContent, type Traffic } from '../delta/slot.ts';
import { ukiContent } from '../delta/uki.ts';
import { installedUkis, runningUki } from '../disk/assess.ts';
import { removeUkis, withEsp } from '../disk/esp.ts';
import { otherSlot } from '../disk/inspect.ts';
import { clearLoaderChoice, dropDefaultEntry } from '../disk/loader.ts';
import { NOT_AS_WRITTEN, stage } from '../disk/stage.ts';
import { type Box, BoxError } from '../io/box.ts';
import type { Policy } from '../settings/update.ts';
import type { Checked } from '../update/check.ts';
import { isAnswered } from '../update/fetch.ts';
import { noteReadable } from '../update/readable.ts';
import type { Running } from '../update/running.ts';
import { changeState, type Rejected, readState } from '../update/state.ts';
import { BASELINE, CHANNEL, lookAtBox, type Reach, writeBaseline } from './baseline.ts';
import { dropEtc, saveEtc } from './etc.ts';

/** Puts the release of a check into the other slot, on trial from the next boot on. */
export function stageRelease(
  box: Box,
  running: Running,
  checked: Checked,
  say: (step: string) => void,
): Traffic {
  const { release, origin } = checked;
  if (!release) throw new BoxError('there is no release to stage');
  const { value, folder } = release;
  const traffic: Traffic = { fetched: 0, copied: 0 };
  const installed = runningUki(installedUkis(box, running.disk), running.usr.rootHash)?.file;
  const common = { origin, folder, release: value, traffic };
  const attempt = (whole: boolean) =>
    stage(box, running.disk, {
      slot: slotContent(box, { ...common, running: running.usr, whole }),
      uki: ukiContent(box, { ...common, installed: whole ? undefined : installed }),
      runningHash: running.usr.rootHash,
      progress: say,
    });
  // Otherwise a release that is staged already would start without its record, if this fails.
  unstage(box, running, `${value.version} replaces it`);
  try {
    // This comes first, because it repairs a full disk.
    prepareTrial(box, running, checked.situation.policy);
    try {
      attempt(false);
    } catch (error) {
      // Ranges from a server are not checked before they are written. Only a transfer of everything, whose
      // SHA-256 is known, shows whether the disk is bad.
      if (!(error instanceof BoxError) || error.code !== NOT_AS_WRITTEN) throw error;
      box.log(
        'warning',
        `slot ${otherSlot(running.disk).name} does not hold ${value.version}; trying again, with everything from the server`,
      );
      attempt(true);
    }
    recordStaged(box, running, value);
  } catch (error) {
    dropPreparation(box);
    throw error;
  }
  box.log(
    'notice',
    `${value.version} is staged: ${mib(traffic.fetched)} MiB fetched, ${mib(traffic.copied)} MiB copied from this disk`,
  );
  return traffic;
}

/** Without a record the release must not start: its trial would lack what was prepared. */
function recordStaged(box: Box, running: Running, { version, rootHash, zfs }: Release): void {
  try {
    noteReadable(box, version, zfs?.features);
    const staged = { version, rootHash, from: running.version, since: box.now(), rebooting: false };
    const isSecond = (each: Rejected) => each.version === version && each.again !== undefined;
    changeState(box, ({ rejected }) => ({
      staged: { ...staged, ...(rejected.some(isSecond) ? { second: true } : {}) },
      rejected: rejected.filter((each) => each.version !== version),
    }));
  } catch (error) {
    removeFromMenu(box, running, rootHash);
    throw error;
  }
}

function removeFromMenu(box: Box, running: Running, hash: string): void {
  withEsp(box, running.disk.esp.device, (esp) => removeUkis(box, esp, ({ rootHash }) => rootHash === hash));
}

const mib = (bytes: number) => (bytes / (1 << 20)).toFixed(1);

/**
 * Whether the channel's server answers. A trial must not lose its answer. An error is an answer too, because the box has
 * reached the server.
 */
export function reachOf(
  box: Box,
  { image }: { readonly image: string },
  { base, channel, proxy, ca }: Policy,
): Reach {
  if (base === undefined || base.startsWith('file:')) return {};
  return {
    [CHANNEL]: () => isAnswered(box, { base, proxy, ca }, `${image}/${channel}.json`),
  };
}

/** Records the state of the box, and saves /etc, before the restart into a trial. */
export function prepareTrial(box: Box, running: Running, policy: Policy): void {
  writeBaseline(box, lookAtBox(box, running.version, reachOf(box, running, policy)));
  saveEtc(box, running.usr.rootHash);
}

/** Removes what `prepareTrial` has made. */
export function dropPreparation(box: Box): void {
  box.remove(BASELINE);
  dropEtc(box);
}

/** Removes a staged release from the boot menu. Its blocks stay until they are overwritten. */
export function unstage(box: Box, running: Running, reason: string): void {
  const { staged } = readState(box);
  if (!staged) return;
  // The record of a commit may be missing, e.g. because the state partition was full.
  if (staged.rootHash !== running.usr.rootHash) removeFromMenu(box, running, staged.rootHash);
  changeState(box, () => ({ staged: undefined }));
  dropPreparation(box);
  box.log('notice', `${staged.version} is no longer staged: ${reason}`);
}

/** Restarts into the staged release, if there is one. */
export function restart(box: Box, running: Running, policy: Policy, reason: string): void {
  const { staged } = readState(box);
  if (staged) {
    prepareTrial(box, running, policy);
    // Somebody may have chosen a default entry since it was staged: each restart would lead to that entry.
    withEsp(box, running.disk.esp.device, (esp) => dropDefaultEntry(box, esp));
    clearLoaderChoice(box);
    changeState(box, () => ({
      staged: { ...staged, rebooting: true, restarts: (staged.restarts ?? 0) + 1 },
    }));
  }
  box.log('notice', `restarting: ${reason}`);
  const ran = box.run(['systemctl', 'reboot']);
  if (ran.code !== 0) throw new BoxError(`cannot restart: ${ran.stderr.trim()}`);
}
