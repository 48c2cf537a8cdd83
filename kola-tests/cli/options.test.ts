import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkImageName } from './build.ts';
import { parseCount, parseMebibytes, parseShard, parseTime } from './options.ts';

test('options take sizes, counts, times and shards, and refuse any other text', () => {
  assert.deepEqual(
    ['512', '512M', '2G', '1T', '10GiB', '3g'].map((size) => parseMebibytes(size, '--disk')),
    [512, 512, 2048, 1 << 20, 10240, 3072],
  );
  for (const bad of ['', 'M', '-1G', '1.5G', 'lots', '0', '1P'])
    assert.throws(() => parseMebibytes(bad, '--disk'), { exitCode: 2, where: '--disk' }, bad);
  assert.deepEqual(parseShard('2/5'), { index: 2, count: 5 });
  for (const bad of ['0/5', '6/5', '1', 'a/b', '1/0', '1/2/3'])
    assert.throws(() => parseShard(bad), { exitCode: 2 }, bad);
  assert.equal(parseCount('3'), 3);
  const wrong = { code: 'commander.invalidArgument' };
  for (const bad of ['0', '-1', '1.5', 'x', '']) assert.throws(() => parseCount(bad), wrong, bad);
  assert.deepEqual(['90s', '10m', '2h', '3'].map(parseTime), [90_000, 600_000, 7_200_000, 180_000]);
  for (const bad of ['', '0', '25h', '-1m', '1.5h', 'soon', '1d'])
    assert.throws(() => parseTime(bad), wrong, bad);
});

test('a name that is no image is refused before anything is done', () => {
  checkImageName('n100');
  checkImageName('n100-dev');
  for (const bad of ['nope', '', '../x', 'n100-x', 'images', 'N100'])
    assert.throws(() => checkImageName(bad), { exitCode: 2, hint: /n100/ }, bad);
});
