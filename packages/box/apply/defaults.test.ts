import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeBox } from '../io/fake.ts';
import { sha256 } from '../io/sha256.ts';
import { encodeUtf8 } from '../io/utf8.ts';
import { apply, confirm } from './engine.ts';
import { CONFIG_FOLDER, DEFAULTS } from './journal.ts';
import { revert } from './revert.ts';
import { configOf, healthy, type Parts, provisioned } from './testing.ts';

const PATH = '/etc/nftables.conf';

function machine(): FakeBox {
  const box = provisioned({ files: { [PATH]: 'mine' } });
  return box.put({ [`/usr/share/draisine${PATH}`]: 'theirs' });
}
const list = (box: FakeBox): string => (box.stat(DEFAULTS) ? box.readText(DEFAULTS) : '');

function change(box: FakeBox, parts: Parts) {
  return apply(box, healthy, { config: configOf(parts), confirmSeconds: 120, keepTheirs: [], takeMine: [] });
}

test('a default that comes back is listed for the initrd, once the apply is confirmed', () => {
  const box = machine();
  const { id } = change(box, {});
  assert.equal(box.readText(PATH), 'theirs');
  assert.equal(list(box), '');
  confirm(box, id);
  assert.equal(list(box), `${sha256(encodeUtf8('theirs'))} 644:0:0 ${PATH}\n`);
  const other = change(box, { files: { '/etc/other': 'x' } });
  confirm(box, other.id);
  assert.match(list(box), /nftables/, 'a later apply leaves it there');
});

test('an apply that is reverted lists nothing', () => {
  const box = machine();
  change(box, {});
  revert(box);
  assert.equal(list(box), '');
});

test('a file that the config names is not listed, even if it is equal to the default', () => {
  for (const text of ['theirs', 'mine again']) {
    const box = machine();
    confirm(box, change(box, {}).id);
    const named = change(box, { files: { [PATH]: text } });
    assert.equal(named.result, text === 'theirs' ? 'nothing to do' : 'waits for confirmation');
    if (text !== 'theirs') confirm(box, named.id);
    assert.equal(list(box), '');
  }
});

test('power fails after the confirmation: the next apply starts from the new list', () => {
  const box = machine();
  change(box, {});
  box.rename(`${CONFIG_FOLDER}/journal.json`, `${CONFIG_FOLDER}/committed.json`);
  assert.equal(change(box, {}).result, 'nothing to do');
  assert.match(list(box), /nftables/);
});
