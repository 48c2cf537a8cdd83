import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeBox } from '../io/fake.ts';
import { decodeUtf8 } from '../io/utf8.ts';
import { fetchFile, isAnswered } from './fetch.ts';

const ORIGIN = { base: 'https://updates.example/box' };

test('two processes fetch at the same time: each gets its own file, and none is left', () => {
  const box = new FakeBox();
  const fetch = (name: string) => decodeUtf8(fetchFile(box, ORIGIN, name, 100));
  let other: string | undefined;
  box.program('sh', (_argv, { stdin }) => {
    const name = /box\/(\w+)"/.exec(String(stdin))?.[1] ?? '';
    return { stdout: `${name}'s`, stderr: 'DRAISINE 200 3 \n' };
  });
  const readFile = box.readFile.bind(box);
  box.readFile = (path) => {
    // The other one comes between the transfer and the reading of its result.
    if (other === undefined) {
      other = '';
      box.makeFolder('/proc/42');
      box.symlink('43', '/proc/self');
      other = fetch('b');
      box.symlink('42', '/proc/self');
    }
    return readFile(path);
  };
  assert.deepEqual([fetch('a'), other], ["a's", "b's"]);
  assert.deepEqual(box.list('/run/draisine/scratch'), []);
});

test('temporary files of a killed process are removed', () => {
  const box = new FakeBox();
  box.program('sh', () => ({ stdout: 'x', stderr: 'DRAISINE 200 1 \n' }));
  box.put({ '/run/draisine/scratch/77.fetch.0/part': 'x', '/run/draisine/scratch/78.fetch.0/part': 'x' });
  box.makeFolder('/proc/78');
  fetchFile(box, ORIGIN, 'a', 100);
  assert.deepEqual(box.list('/run/draisine/scratch'), ['78.fetch.0']);
});

test('any answer of a server is an answer; it is asked once', () => {
  const box = new FakeBox();
  for (const [code, status, answered] of [
    [0, '200', true],
    [22, '503', true],
    [22, '404', true],
    [7, '000', false],
    [28, '000', false],
  ] as const) {
    box.program('sh', () => ({ code, stderr: `DRAISINE ${status} 0 \n` }));
    const before = box.ran.length;
    assert.equal(isAnswered(box, ORIGIN, 'n100/stable.json'), answered, status);
    assert.equal(box.ran.length, before + 1);
  }
});

test('a small file that does not end, such as a pipe on a stick, is an error', () => {
  const box = new FakeBox();
  box.program('sh', (_argv, { timeoutSeconds }) =>
    timeoutSeconds === undefined ? assert.fail() : { code: 124 },
  );
  assert.throws(() => fetchFile(box, { base: 'file:///stick' }, 'root.json', 100), /it does not end/);
});
