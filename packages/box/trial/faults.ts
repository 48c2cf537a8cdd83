import { type Box, BoxError, describeError, uptime } from '../io/box.ts';
import { DEFAULT_POLICY, type Policy, readPolicy } from '../settings/update.ts';
import type { Running } from '../update/running.ts';
import { lossQuestions, readBaseline } from './baseline.ts';
import { BOOT_COMPLETE, gateFault } from './gates.ts';
import { reachOf } from './stage.ts';

/** Milliseconds between two looks at the box. */
export const PAUSE = 10_000;

/**
 * The present faults. A failed question is a fault, and so is an answer that cannot be understood: programs of a new
 * release must not end its trial without a verdict. `end`: seconds since the boot after which one fault is enough,
 * because each program that hangs takes its time.
 */
export function faultsOf(
  box: Box,
  running: Pick<Running, 'image'>,
  policy: Policy,
  end = Number.POSITIVE_INFINITY,
): string[] {
  const baseline = readBaseline(box);
  const asks: (() => string[])[] = [
    ...[BOOT_COMPLETE, ...policy.gates].map((gate) => () => {
      const fault = gateFault(box, gate);
      return fault === undefined ? [] : [fault];
    }),
    ...(baseline ? lossQuestions(box, baseline, reachOf(box, running, policy)) : []),
  ];
  const faults: string[] = [];
  for (const ask of asks) {
    if (faults.length > 0 && uptime(box) >= end) break;
    faults.push(...answerOf(ask));
  }
  return faults;
}

/** The faults that a question finds. Its failure is a fault. */
export function answerOf(ask: () => string[]): string[] {
  try {
    return ask();
  } catch (error) {
    const told = describeError(error);
    return [error instanceof BoxError ? told : `a check of the trial itself failed: ${told}`];
  }
}

/** A policy that cannot be read must not keep a trial from ending. */
export function policyOrDefault(box: Box): Policy {
  try {
    return readPolicy(box);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    box.log('warning', `${describeError(error)}; the trial uses the default policy`);
    return DEFAULT_POLICY;
  }
}
