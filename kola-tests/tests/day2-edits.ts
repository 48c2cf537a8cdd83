import assert from 'node:assert/strict';
import { type Config, editsOf, REAL } from '../../packages/edits-for-kola.ts';
import { CONFIG } from '../fixtures/applying.ts';
import {
  differences,
  expectedOf,
  type Found,
  foundOn,
  partsOf,
  presetDifference,
  readFound,
  STATE_SCRIPT,
  together,
} from '../fixtures/edited.ts';
import type { Machine } from '../harness/machine/machine.ts';
import { register } from '../harness/run/register.ts';

/** The seed of the edits; DRAISINE_SEED changes it. */
const SEED = Number(process.env.DRAISINE_SEED ?? '20261129');
/** Number of edits; DRAISINE_EDITS changes it. */
const COUNT = Number(process.env.DRAISINE_EDITS ?? '300');
/** After each of this number of edits, the box is compared with a newly provisioned one. */
const REFERENCES = Math.min(4, Math.ceil(COUNT / 50));

const EDITS = editsOf(REAL, { seed: SEED, count: COUNT });
/** Numbers of the edits after which there is a comparison. The last edit is one of them. */
const references = Array.from({ length: REFERENCES }, (_, index) =>
  Math.ceil(((index + 1) * COUNT) / REFERENCES - 1),
);
const reference = (index: number): Config => EDITS[references[index] ?? 0]!;
const plainOf = (config: Config) => JSON.parse(JSON.stringify(config)) as { ignition: { version: string } };
const provisioned = (index: number) =>
  ({ start: 'off', firmware: 'none', config: plainOf(reference(index)) }) as const;

/** One call does everything: applies the config, plans the same config again, and prints the state of the machine. */
const script = (number: number): string => `
umask 022
apply() { timeout 300 draisine apply "$@" 2>&1; echo "exit $?"; }
times=$EPOCHREALTIME
echo '=== applied'; apply --within 600 --id e${number} ${CONFIG}; times+=" $EPOCHREALTIME"
echo '=== confirmed'; [ -e /var/lib/draisine/config/journal.json ] && draisine apply --confirm e${number} 2>&1; times+=" $EPOCHREALTIME"
echo '=== again'; apply --plan --json ${CONFIG}; times+=" $EPOCHREALTIME"
echo '=== preset'; cat /etc/systemd/system-preset/20-ignition.preset
echo '=== state'
${STATE_SCRIPT}
echo "=== times"; echo "$times $EPOCHREALTIME"`;

/** Seconds of the guest for each part of the script: apply, confirm, plan again, look. */
const spent = [0, 0, 0, 0];

async function edit(box: Machine, number: number, config: Config, before: Found): Promise<string[]> {
  const { stdout } = await box.execute(`cat >${CONFIG}\n${script(number)}`, {
    ...{ stdin: JSON.stringify(config), seconds: 120 },
  });
  const [applied = '', again = '', preset = '', state = '', times = ''] = partsOf(
    ...[stdout, 'applied', 'again', 'preset', 'state', 'times'],
  );
  const moments = times.trim().split(' ').map(Number);
  for (const at of spent.keys()) spent[at]! += moments[at + 1]! - moments[at]!;
  if (!/^(waits for confirmation|nothing to do)/m.test(applied)) return [`it was not applied: ${applied}`];
  const { changes, drift } = JSON.parse(again.split('\n')[0]!) as Record<string, unknown[]>;
  return [
    ...[...(changes ?? []), ...(drift ?? [])].map(
      (step) => `a second apply of the same config plans ${JSON.stringify(step)}`,
    ),
    ...[presetDifference(preset, config)].filter((why) => why !== undefined),
    ...differences(readFound(state), expectedOf(config, before)),
  ];
}

/** Unit files and their state, without those that systemd makes at run time. */
const UNIT_FILES =
  "systemctl list-unit-files --no-legend --plain --no-pager | grep -v ' \\(transient\\|generated\\) ' | sort";

/** The differences from a machine that is provisioned with the same config. */
async function compareWith(other: Machine, box: Machine): Promise<string[]> {
  await other.start();
  const [theirs, mine] = [await foundOn(other), await foundOn(box)];
  const [theirUnits, myUnits] = [await other.succeed(UNIT_FILES), await box.succeed(UNIT_FILES)];
  await other.crash();
  const listed = (units: string, before: string): string[] =>
    units.split('\n').filter((line) => !before.split('\n').includes(line));
  return [
    ...differences(mine, theirs),
    ...listed(myUnits, theirUnits).map((line) => `unit file: ${line}, and not on a provisioned machine`),
    ...listed(theirUnits, myUnits).map((line) => `no unit file ${line}, as a provisioned machine has`),
  ];
}

register(
  {
    name: 'day2.random-edits',
    what: `After each of ${COUNT} random edits of its config, a box has the same files and units as a box that was provisioned with that config.`,
    machines: {
      box: {},
      first: provisioned(0),
      second: provisioned(1),
      third: provisioned(2),
      last: provisioned(3),
    },
    timeout: 600 + COUNT * 6,
    long: 'some hundred applies, and four machines that are provisioned for the comparison',
  },
  async (t, { box, first, second, third, last }) => {
    const others = [first, second, third, last];
    const base = JSON.parse(await box.succeed('cat /var/lib/draisine/config/provisioned.json')) as Config;
    // The harness gives a host name to each machine of a test with several machines. The config of this one has none.
    await box.succeed(
      'rm /etc/hostname; if [ -e /usr/share/draisine/etc/hostname ]; then cp -a /usr/share/draisine/etc/hostname /etc/; fi',
    );
    const before = await foundOn(box);
    const start = performance.now();
    let compared = 0;
    for (const [number, each] of EDITS.entries()) {
      const wrong = await edit(box, number, together(base, each), before);
      assert.deepEqual(wrong, [], `edit ${number} of seed ${SEED}`);
      if (number % 10 === 9)
        t.diagnostic(
          `${number + 1} edits, ${Math.round((performance.now() - start) / 1000)} s, ${compared} compared; apply, confirm, plan, look: ${spent.map((each) => `${each.toFixed(0)} s`).join(', ')}`,
        );
      while (references[compared] === number) {
        assert.deepEqual(await compareWith(others[compared]!, box), [], `the reference after edit ${number}`);
        compared += 1;
      }
    }
    assert.equal(compared, REFERENCES);
  },
);
