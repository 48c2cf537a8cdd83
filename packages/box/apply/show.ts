import type { PlanDocument } from '../../../build/release/format/plan.ts';
import { type Box, withScratch } from '../io/box.ts';
import { digestOf } from './actual.ts';
import type { AccountStep, NodeStep, Plan } from './plan.ts';
import { pathOf } from './plan.ts';
import type { Service } from './services.ts';
import { isKept } from './wishes.ts';

/** Size limit for diffs, in bytes. Nobody reads the diff of a larger file. */
const LARGEST = 64 * 1024;

/**
 * A file that others may not read is a secret: the plan shows its digest, never its text. This includes a file that the
 * new config lets others read, because its old text was a secret.
 */
const isSecret = (step: Extract<NodeStep, { do: 'write' }>): boolean =>
  [step.node, step.was].some((file) => file.type === 'file' && (file.mode & 0o044) === 0);

function diffOf(box: Box, step: NodeStep, scratch: string): string | undefined {
  if (step.do !== 'write' || step.node.type !== 'file' || !('bytes' in step.node.contents)) return undefined;
  const { node } = step;
  const { bytes } = step.node.contents;
  const was = step.was.type === 'file' ? (step.was.digest ?? '') : 'none';
  if (isKept(node.contents)) return undefined;
  if (isSecret(step))
    return `secret: ${was.slice(0, 12)} → ${(digestOf(node.contents) ?? 'packed').slice(0, 12)}`;
  if (bytes.length > LARGEST || bytes.includes(0)) return `${bytes.length} bytes`;
  if (step.was.type !== 'file' || (box.stat(node.path)?.size ?? 0) > LARGEST) return undefined;
  const file = `${scratch}/new`;
  box.writeFile(file, bytes, { mode: 0o600, durable: false });
  const ran = box.run(['diff', '-u', '--label', node.path, '--label', node.path, '--', node.path, file]);
  return ran.code === 1 ? ran.stdout : undefined;
}

function nodeLine(step: NodeStep): string {
  if (step.do === 'remove') return `- ${pathOf(step)}`;
  return `${step.was.type === 'none' ? '+' : '~'} ${pathOf(step)}`;
}

function accountLine(step: AccountStep): string {
  const name = 'user' in step ? step.user.name : step.name;
  const [kind = '', verb = ''] = step.do.split('-');
  return `${{ add: '+', change: '~', remove: '-' }[verb] ?? '~'} ${kind} ${name}`;
}

const serviceLine = (service: Service): string =>
  service.do === 'run' ? `! ${service.what}` : `! ${service.do} ${service.unit}`;

function changeLines(plan: Plan): string[] {
  return [
    ...plan.accounts.map(accountLine),
    ...plan.nodes.map(nodeLine),
    ...plan.enable.map((unit) => `+ ${unit} enabled`),
    ...plan.disable.map((unit) => `- ${unit} enabled`),
    ...plan.reenable.map((unit) => `~ ${unit} enabled`),
    ...plan.services.map(serviceLine),
  ];
}

/** The plan as a document. */
export function planDocument(box: Box, plan: Plan): PlanDocument {
  return { ...appliedDocument(plan), diffs: diffsOf(box, plan) };
}

/** The plan as a document after it was carried out. It has no diffs, because the old files are gone. */
export function appliedDocument(plan: Plan): PlanDocument {
  const { drift, refusals, left } = plan;
  return { changes: changeLines(plan), diffs: {}, drift, refusals, left };
}

function diffsOf(box: Box, plan: Plan): Record<string, string> {
  return withScratch(box, 'plan', (scratch) =>
    Object.fromEntries(
      plan.nodes.flatMap((step) => {
        const diff = diffOf(box, step, scratch);
        return diff === undefined ? [] : [[pathOf(step), diff] as const];
      }),
    ),
  );
}

/** The plan as text, one line for each change. */
export function describePlan(box: Box, plan: Plan): string[] {
  const document = planDocument(box, plan);
  const lines = [
    ...document.drift.map(({ path, what }) => `changed by hand: ${path}: ${what}`),
    ...document.refusals.map(({ what, hint }) => `refused: ${what}: ${hint}`),
    ...document.changes,
    ...Object.values(document.diffs),
    ...document.left.map(({ what, command }) => `stays: ${what}; this would remove it: ${command}`),
  ];
  return lines.length === 0 ? ['nothing to do'] : lines;
}
