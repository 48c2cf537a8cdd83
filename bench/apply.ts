/**
 * Measures `draisine apply` on the NAS of kola-tests/fixtures/machines/nas.ts: the plan and the apply of one more
 * container, whose image is on the machine already.
 *
 *   node --import tsx bench/apply.ts [ROUNDS]
 *
 * For out/n100 (./draisine build n100). Goals under TCG: plan ≤ 2 s, apply ≤ 15 s.
 */
import { fileURLToPath } from 'node:url';
import { ignitionVerb } from '../kola-tests/harness/guest/draisine.ts';
import { busybox } from '../kola-tests/harness/machine/busybox.ts';
import { createCluster, planCluster } from '../kola-tests/harness/machine/cluster.ts';
import { openLab } from '../kola-tests/harness/machine/lab.ts';
import type { Machine } from '../kola-tests/harness/machine/machine.ts';
import { fixture } from '../kola-tests/harness/machine/provision.ts';
import { qemuTree } from '../kola-tests/harness/qemu/tree.ts';

const [rounds = 3] = process.argv.slice(2).map(Number);
const out = fileURLToPath(new URL('../out', import.meta.url));
const lab = await openLab({ image: 'n100', out, toolTree: await qemuTree() });
const CONFIG = '/run/draisine/next.json';
const READER = '/etc/containers/systemd/reader.container';

interface File {
  readonly path: string;
  readonly contents: { readonly source: string };
}
interface Nas {
  readonly storage: { readonly files: readonly File[] };
}

/** The same NAS with one more container, a copy of its first container. */
function withOneMore(nas: Nas, name: string): Nas {
  const reader = nas.storage.files.find(({ path }) => path === READER);
  if (!reader) throw new Error(`the NAS has no ${READER}`);
  const { contents, ...rest } = reader;
  const [, data = ''] = contents.source.split(',');
  const text = contents.source.includes(';base64,')
    ? Buffer.from(data, 'base64').toString()
    : decodeURIComponent(data);
  const source = `data:;base64,${Buffer.from(text.replaceAll('reader', name)).toString('base64')}`;
  const more = { ...rest, path: READER.replace('reader', name), contents: { source } };
  return { ...nas, storage: { ...nas.storage, files: [...nas.storage.files, more] } };
}

/** Runs a command on the machine. Returns milliseconds by the machine's clock, and the output. */
async function timed(box: Machine, command: string): Promise<{ ms: number; said: string }> {
  const said = await box.succeed(
    `begin=$EPOCHREALTIME; ${command} 2>&1; code=$?; end=$EPOCHREALTIME
     echo; echo $(( (\${end/./} - \${begin/./}) / 1000 )); exit $code`,
    { seconds: 120 },
  );
  const lines = said.split('\n');
  return { ms: Number(lines.at(-1)), said: lines.slice(0, -1).join('\n').trim() };
}

const disks = ['one', 'two', 'three'].map((name) => ({ name, size: 256 }));
const machines = { box: { start: 'off', firmware: 'none', disks } } as const;
const cluster = await createCluster(lab, planCluster({ name: 'bench.apply', machines }));
try {
  const { box } = cluster.machines;
  if (!box) throw new Error('there is no machine');
  await box.firstBoot(await ignitionVerb('compile', fixture('machines/nas.ts')));
  await busybox.run(box);
  await box.waitForUnit('reader.service', { seconds: 120 });
  const times: Record<string, number[]> = { start: [], plan: [], apply: [], confirm: [] };
  for (let round = 0; round < rounds; round += 1) {
    // Each round adds a container to the config of the round before.
    const now = JSON.parse(
      await box.succeed(
        'cd /var/lib/draisine/config && cat current.json 2>/dev/null || cat provisioned.json',
      ),
    ) as Nas;
    await box.copyTo(Buffer.from(JSON.stringify(withOneMore(now, `more${round}`))), CONFIG);
    times.start?.push((await timed(box, 'draisine --help >/dev/null')).ms);
    const plan = await timed(box, `draisine apply --plan ${CONFIG}`);
    if (!plan.said.includes(`! start more${round}.service`)) throw new Error(plan.said);
    times.plan?.push(plan.ms);
    const applied = await timed(box, `draisine apply --id round${round} ${CONFIG}`);
    if (!applied.said.includes('waits for confirmation')) throw new Error(applied.said);
    times.apply?.push(applied.ms);
    times.confirm?.push((await timed(box, `draisine apply --confirm round${round}`)).ms);
    process.stdout.write(
      `round ${round}: ${Object.entries(times)
        .map(([what, all]) => `${what} ${((all.at(-1) ?? 0) / 1000).toFixed(2)} s`)
        .join(' · ')}\n`,
    );
  }
  const processes = await timed(
    box,
    `before=$(awk '/^processes/ {print $2}' /proc/stat); draisine apply --plan ${CONFIG} >/dev/null; awk -v b=$before '/^processes/ {print "a plan makes " $2 - b " processes"}' /proc/stat`,
  );
  process.stdout.write(`${processes.said}\n`);
} finally {
  await cluster.dispose();
}
