import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gate } from '../settings/update.ts';
import { gateFault } from './gates.ts';
import { fakeWorld } from './testing.ts';

test('gates: a unit, a command, an HTTP answer, a container, a pool', () => {
  const { box, world } = fakeWorld();
  const fault = (gate: Gate) => gateFault(box, gate);
  assert.equal(fault({ unit: 'web.service' }), undefined);
  assert.equal(fault({ unit: 'none.service' }), 'none.service is inactive');
  box.program('check', () => ({ code: 3, stderr: 'no db' }));
  assert.equal(fault({ command: ['check', 'db'] }), 'gate command check db: check ended with 3: no db');
  assert.equal(fault({ http: 'http://localhost/', status: 200 }), undefined);
  world.httpCode = '503';
  assert.equal(fault({ http: 'http://localhost/', status: 200 }), 'http://localhost/ answers 503, not 200');
  assert.equal(fault({ container: 'web' }), undefined);
  assert.equal(fault({ container: 'db' }), 'container db does not run');
  world.containers = [{ name: 'web', state: 'running', status: 'Up (unhealthy)' }];
  assert.equal(fault({ container: 'web' }), 'container web is not healthy');
  assert.equal(fault({ pool: 'tank' }), 'pool tank is not imported');
});
