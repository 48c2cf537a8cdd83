import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeFleet, randomFrom } from './fleet.ts';
import { chanceError, type Report, rolloutError } from './measures.ts';
import { bars, svgPlot, terminalPlot } from './plot.ts';
import { Queue } from './queue.ts';
import { Simulation, type SimulationOptions } from './simulate.ts';

const OPTIONS: SimulationOptions = {
  ...{ boxes: 400, days: 84, seed: 7, size: 100e6, policies: {} },
  delta: { packages: 0.1, kernel: 0.25 },
  fragile: { alpha: 0, beta: 0, stable: 0.3, lts: 0.3 },
  begins: Date.parse('2026-01-05T00:00:00Z'),
};

test('events come in the order of their time', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1000 })), (times) => {
      const queue = new Queue();
      for (const [index, time] of times.entries()) queue.push(time, index);
      const popped: number[] = [];
      for (let event = queue.pop(); event; event = queue.pop()) {
        assert.equal(times[event.thing], event.time);
        popped.push(event.time);
      }
      assert.deepEqual(
        popped,
        [...times].sort((a, b) => a - b),
      );
    }),
  );
});

test('a fleet is the same for one seed, and its clocks keep the rules of their zones', () => {
  const make = (seed: number) =>
    makeFleet(randomFrom(seed), { boxes: 200, days: 84, running: '2025.101.0', fragile: { stable: 1 } });
  const plain = (fleet: ReturnType<typeof make>) =>
    JSON.stringify(fleet.map(({ zone: _zone, ...box }) => box));
  assert.equal(plain(make(1)), plain(make(1)));
  assert.notEqual(plain(make(1)), plain(make(2)));
  const fleet = make(1);
  const offsets = (time: string) => new Set(fleet.map(({ zone }) => zone(Date.parse(time) / 1000) / 3600));
  assert.deepEqual(
    [...offsets('2026-01-15T12:00:00Z')].sort((a, b) => a - b),
    [-8, -5, 0, 1, 5.5, 9, 11],
  );
  assert.deepEqual(
    [...offsets('2026-07-15T12:00:00Z')].sort((a, b) => a - b),
    [-7, -4, 1, 2, 5.5, 9, 10],
  );
  const stable = fleet.filter(({ policy }) => policy.channel === 'stable');
  assert.ok(stable.every(({ fragile }) => fragile) && stable.length > 140);
});

const year = new Simulation(OPTIONS).run();

/** How many boxes run a version at the end. */
function running({ running: days }: Report, version: string): number {
  return days.at(-1)?.get(version) ?? 0;
}

test('the same seed is the same year', () => {
  assert.deepEqual(new Simulation(OPTIONS).run(), year);
});

test('boxes follow: one that restarts by itself is never behind for longer than rollout and window', () => {
  // Stable: 4 h until all have heard, 72 h of rollout, a window each week.
  assert.ok(year.behindOn.max < 4 + 72 + 7 * 24 + 6, String(year.behindOn.max));
  assert.ok(year.behindOn.median < 72);
  // Those that only say so, are held, or are switched off all the time.
  assert.ok(running(year, '2025.101.0') < 0.06 * OPTIONS.boxes);
});

test('a rollout keeps its plan: its error is that of random turns, and boxes begin soon after their turn', () => {
  const { mean, max, boxes, releases, chance, late } = year.rollout;
  assert.ok(boxes > 320 && boxes < 360, String(boxes));
  assert.equal(releases, 9, 'all but the bad one, and the one at the end of the year');
  assert.ok(max < chance.year, `${max} < ${chance.year}`);
  // The mean of the statistic of Kolmogorov and Smirnov is 0.8687/√n.
  assert.ok(Math.abs(mean - 0.8687 / Math.sqrt(boxes)) < 0.3 / Math.sqrt(boxes), String(mean));
  assert.ok(late.median > 0 && late.median < 25, String(late.median));
  assert.ok(
    late.max < 5 * 60,
    'a check that failed is made again after minutes, the next is four hours later',
  );
});

test('the error of a rollout: 0 for an even spread, 1 if all boxes come at once', () => {
  const even = Array.from({ length: 1000 }, (_, index) => (index + 0.5) / 1000);
  assert.ok(Math.abs(rolloutError(even) - 0.0005) < 1e-9);
  assert.equal(rolloutError([...even].reverse()), rolloutError(even), 'in any order');
  assert.equal(rolloutError([0, 0, 0, 0]), 1);
  assert.equal(rolloutError([1, 1]), 1);
  assert.equal(rolloutError([0.5]), 0.5);
  const gap = even.filter((place) => place < 0.25 || place > 0.35);
  assert.ok(Math.abs(rolloutError(gap) - (0.3505 - 250 / 900)) < 1e-9, 'only 250 of 900 have begun there');
});

test('the bound of chance holds for random places, and is no wider than it must be', () => {
  const random = randomFrom(3);
  const boxes = 500;
  const errors = Array.from({ length: 400 }, () => rolloutError(Array.from({ length: boxes }, random)));
  const beyond = errors.filter((error) => error > chanceError(boxes, 1)).length / errors.length;
  assert.ok(beyond > 0.01 && beyond < 0.08, String(beyond));
  assert.ok(chanceError(6800, 1) < 0.02, 'of the boxes of stable, 8 000 in all, one release');
});

test('a bad release is stopped, and boxes that tried it run another one', () => {
  const { bad } = year;
  assert.equal(bad.channel, 'stable');
  assert.ok(bad.rejected > 0, 'some boxes rejected it');
  assert.ok(bad.hours !== undefined && bad.hours < 48, String(bad.hours));
  assert.ok(bad.tried < OPTIONS.boxes / 3, 'most boxes never saw it');
  assert.ok(bad.last.tried > 0 && bad.last.tried <= bad.tried && bad.last.tried < bad.last.boxes / 3);
  assert.ok(running(year, bad.version) < 10, 'and a later release took its place');
  const unnoticed = new Simulation({ ...OPTIONS, fragile: {} }).run();
  assert.equal(unnoticed.bad.rejected, 0);
  assert.equal(unnoticed.bad.hours, undefined);
  assert.ok(unnoticed.bad.tried > bad.tried);
});

test('bytes: each box fetches the releases that it missed, once', () => {
  const sum = year.hours.reduce((total, bytes) => total + bytes, 0);
  assert.ok(Math.abs(sum - year.bytes) < 1e-3 * year.bytes, 'every byte has its hour');
  const share = 0.1 * 2 + 0.25 / 3; // a rough bound: no more than every release to every box
  assert.ok(year.bytes < OPTIONS.boxes * OPTIONS.size * year.releases * share);
  assert.ok(year.peak.bytesPerSecond * 60 <= year.bytes);
  assert.ok(year.peakHour <= year.peak.bytesPerSecond);
  assert.ok(year.peakHour < year.withoutRollout);
});

test('plots: the height of bars matches their values, and the SVG is self-contained', () => {
  assert.equal(bars([0, 1, 2, 4, 8], 5), ' ▁▂▄█');
  assert.equal(bars([1, 1], 4), '████');
  assert.equal(bars([], 3), '   ');
  const lines = terminalPlot(year, 40).trimEnd().split('\n');
  assert.equal(lines.length, 5);
  const svg = svgPlot(year);
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  assert.equal(svg.match(/<polygon /g)?.length, 4);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
});
