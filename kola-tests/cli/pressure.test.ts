import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { processorStallMs } from './pressure.ts';

test('reads from the kernel how long programs waited for a processor; undefined if the kernel does not report it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pressure-test-'));
  try {
    const path = join(dir, 'cpu');
    assert.equal(await processorStallMs(path), undefined);
    const full = 'full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n';
    await writeFile(path, `some avg10=96.90 avg60=92.03 avg300=87.19 total=4015288417\n${full}`);
    assert.equal(await processorStallMs(path), 4_015_288.417);
    await writeFile(path, full);
    assert.equal(await processorStallMs(path), undefined);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
