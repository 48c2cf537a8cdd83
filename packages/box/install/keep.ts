import { listUkis, removeUkis, withEsp } from '../disk/esp.ts';
import { slotUuids } from '../disk/guid.ts';
import { ESP_LABEL, partitionsOf, slotHolds, slotsOf, TYPES } from '../disk/inspect.ts';
import type { InstalledUki, Partition, RunningUsr, Slot, SlotContent } from '../disk/model.ts';
import { mustFit } from '../disk/stage.ts';
import { type Box, BoxError } from '../io/box.ts';
import { DEFINITIONS, repart } from './fresh.ts';

/**
 * Compares versions by their numbers between dots. All images once had the version 0.1.0, which is older than
 * 2026.1129.0.
 */
export function compareLoosely(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(/[.~+-]/).map((part) => Number(part) || 0));
  for (let at = 0; at < Math.max(left!.length, right!.length); at++) {
    const difference = (left![at] ?? 0) - (right![at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * The slot of an installed disk for a root hash: the slot that has it already, else one without a UKI, else the slot of
 * the less important UKI (a rejected release, or the older one), which is removed from the boot menu.
 */
export function chooseSlot(
  slots: readonly Slot[],
  ukis: readonly InstalledUki[],
  rootHash: string,
): { readonly slot: Slot; readonly gives: InstalledUki | undefined } | undefined {
  const same = slots.find(({ usr }) => usr.uuid === slotUuids(rootHash).usr);
  if (same) return { slot: same, gives: undefined };
  const bootedBy = ({ usr }: Slot) =>
    ukis.filter((uki) => uki.rootHash !== undefined && slotUuids(uki.rootHash).usr === usr.uuid);
  const free = slots.find((slot) => bootedBy(slot).length === 0);
  if (free) return { slot: free, gives: undefined };
  const [least] = [...ukis].sort(
    (a, b) => Number(b.left === 0) - Number(a.left === 0) || compareLoosely(a.version, b.version),
  );
  const slot = slots.find((each) => least !== undefined && bootedBy(each).includes(least));
  return slot && least ? { slot, gives: least } : undefined;
}

/** The ESP and the slot for the running release. Makes the partitions of slot B if they are missing. */
export function keepDisk(
  box: Box,
  disk: string,
  running: RunningUsr,
  content: SlotContent,
): { readonly esp: Partition; readonly slot: Slot; readonly hasIt: boolean } {
  const count = (partitions: readonly Partition[]) =>
    partitions.filter(({ type }) => type === TYPES.usr).length;
  if (count(partitionsOf(box, disk) ?? []) < 2) repart(box, disk, `--definitions=${DEFINITIONS}`);
  const partitions = partitionsOf(box, disk) ?? [];
  const esp = partitions.find(({ type, label }) => type === TYPES.esp && label === ESP_LABEL);
  if (!esp) throw new BoxError(`there is no Draisine on ${disk} whose state could be kept`);
  const slots = slotsOf(partitions, running);
  const chosen = withEsp(box, esp.device, (folder) => {
    const choice = chooseSlot(slots, listUkis(box, folder), running.rootHash);
    if (choice) mustFit(choice.slot, content);
    const { gives } = choice ?? {};
    if (gives) removeUkis(box, folder, ({ file }) => file === gives.file);
    return choice;
  });
  if (!chosen) throw new BoxError(`${disk} has UKIs without their releases: install without --keep-state`);
  return { esp, slot: chosen.slot, hasIt: slotHolds(chosen.slot, running.rootHash) };
}
