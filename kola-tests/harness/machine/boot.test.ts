import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFakeLab } from '../../fixtures/fake-lab.ts';
import { artifactOrigin, createFiles } from './boot.ts';
import { planMachine } from './spec.ts';

test('if a file of a machine cannot be made, the others are finished before the error', async () => {
  await withFakeLab(async ({ lab, snapshots }) => {
    const { img } = lab.emulator;
    Object.assign(lab.emulator, {
      img: (args: readonly string[]) => {
        const quick = img(args);
        return { ...quick, args: ['-c', 'sleep 0.3; : >"$1"', ...quick.args.slice(2)] };
      },
    });
    const dir = join(snapshots, '..', 'machine');
    const origin = { ...artifactOrigin(lab), firmwareVars: join(dir, 'nowhere.fd') };
    await assert.rejects(
      createFiles(lab, planMachine({}, 'a test'), dir, origin),
      /the files of a machine cannot be made: ENOENT/,
    );
    await access(join(dir, 'system.qcow2')); // otherwise the removal of the folder would find new files in it
  });
});
