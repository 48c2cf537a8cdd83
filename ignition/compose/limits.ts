import type { SourceNode } from '../base/node.ts';
import type { Ulimit } from '../sugar/tuning.ts';
import { type Key, loseOthers } from './draft.ts';
import { memberOf, membersOf, numberOf, pairsOf, textOf } from './nodes.ts';

/** Sizes such as `512m` and `1gb`, as systemd writes them. */
const memoryText = (text: string): string =>
  text.replace(/\s*([bkmgt])b?$/i, (_all, unit: string) => (/b/i.test(unit) ? '' : unit.toUpperCase()));

/** Whether a limit says that there is none: 0, or -1. */
const isNone = (value: SourceNode): boolean => /^(-1|0+\.?0*[bkmgt]?b?)$/i.test(textOf(value).trim());

/** `mem_limit` of a service. */
export const memory: Key = (value, draft) => {
  if (isNone(value)) return;
  draft.limits = { ...draft.limits, memory: memoryText(textOf(value)) };
};

/** `cpus` of a service. */
export const cpus: Key = (value, draft, { lost }) => {
  if (isNone(value)) return;
  const text = textOf(value);
  if (/^[0-9]*\.?[0-9]+$/.test(text))
    draft.limits = { ...draft.limits, cpu: `${Math.round(Number(text) * 100)}%` };
  else
    lost(value.at, `cpus: ${JSON.stringify(text)} is not a number and is not taken over; write the number`);
};

/** `pids_limit` of a service. */
export const pids: Key = (value, draft, { lost }) => {
  if (isNone(value)) return;
  const processes = numberOf(value, textOf(value), 'number of processes', lost);
  if (processes !== undefined) draft.limits = { ...draft.limits, processes };
};

/** `shm_size` of a service. */
export const shmSize: Key = (value, draft) => {
  draft.shmSize = memoryText(textOf(value));
};

/** `ulimits` of a service. */
export const ulimits: Key = (value, draft, { lost }) => {
  const limits: { [name: string]: number | Ulimit } = {};
  for (const { key, at, value: limit } of membersOf(value)) {
    const [soft = Number.NaN, hard = soft] = (
      limit.kind === 'map' ? [memberOf(limit, 'soft'), memberOf(limit, 'hard')] : [limit]
    ).map((each) => (/^(-1|[0-9]+)$/.test(textOf(each)) ? Number(textOf(each)) : Number.NaN));
    if (Number.isNaN(soft + hard)) lost(at, `the limit ${key} is not a number and is not taken over`);
    else limits[key] = soft === hard ? soft : { soft, hard };
  }
  draft.ulimits = limits;
};

/** `sysctls` of a service. */
export const sysctls: Key = (value, draft) => {
  draft.sysctls = Object.fromEntries(pairsOf(value).map(([key, text = '']) => [key, text]));
};

/** `deploy` of a service: only its limits have a counterpart. */
export const deploy: Key = (value, draft, project) => {
  const limits = memberOf(memberOf(value, 'resources'), 'limits');
  const known: Readonly<Record<string, Key>> = { memory, cpus, pids };
  for (const { key, value: limit } of membersOf(limits)) known[key]?.(limit, draft, project);
  loseOthers(memberOf(value, 'resources'), ['limits'], 'deploy.resources', project.lost);
  for (const { key, at } of membersOf(value)) {
    if (key !== 'resources' && key !== 'restart_policy')
      project.lost(at, `deploy.${key} is not taken over: one machine runs one of each`);
  }
};
