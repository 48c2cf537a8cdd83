import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFound, lookAtFlow } from '../harness/crash/look.ts';
import { CRASH_OPTIONS, type CrashSuite } from '../harness/crash/suite-options.ts';
import { openLab } from '../harness/machine/lab.ts';
import { endWithParent } from '../harness/run/leave.ts';
import { flowNamed } from './all.ts';

/* The crash states of flows as a file of tests, for `test --all`. */

endWithParent();
const { image, flows, out, toolTree, boot } = JSON.parse(process.env[CRASH_OPTIONS] ?? '{}') as CrashSuite;

for (const flow of flows.map(flowNamed)) {
  test(`crash states: ${flow.name}`, async (t) => {
    const lab = await openLab({ image, out, toolTree });
    const found = await lookAtFlow(lab, flow, { boot, said: (line) => t.diagnostic(line) });
    t.diagnostic(describeFound(found));
    assert.deepEqual(found.faults, []);
  });
}
