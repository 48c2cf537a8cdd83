import { formatBytes } from '../../sdk/lib/bytes.ts';
import { badInput, describeFailure, Failure } from '../../sdk/lib/errors.ts';
import { log } from '../../sdk/lib/log.ts';
import { loadFacts } from '../graph/facts.ts';
import { describeForecast, forecast } from '../graph/forecast.ts';
import { makeGraph } from '../graph/graph.ts';
import { holdStore } from '../graph/hold.ts';
import { type KeyReader, keyReader } from '../graph/key.ts';
import { planBuild } from '../graph/plan.ts';
import { formatSeconds } from '../graph/report.ts';
import { type BuildResult, describeFailures, runBuild } from '../graph/run.ts';
import { catchSignals } from '../graph/signals.ts';
import { closeStore, openStore, type Store } from '../graph/store.ts';
import { checkKey } from '../product/check-key.ts';
import type { LoadedImage } from '../product/images.ts';
import { type Manifest, outFolder } from '../product/manifest.ts';
import { remoteBase } from '../remote/address.ts';
import { remoteClient } from '../remote/client.ts';
import { openRemote, pushAll, type Remote } from '../remote/remote.ts';
import { ensureKeys } from './keys.ts';
import { publishImage, publishSingle } from './publish-image.ts';
import { resolveNames, type Wanted } from './wanted.ts';

/** The options of `build`. */
export interface BuildFlags {
  readonly jobs?: number;
  readonly dryRun?: boolean;
  readonly keepGoing?: boolean;
  readonly rebuild?: boolean;
  readonly explain?: boolean;
  readonly json?: boolean;
  readonly dev?: boolean;
  /** Push all outputs to the remote store. */
  readonly push?: boolean;
}

const DEFAULT_IMAGE = 'n100';

/** `build [TARGET…]`: returns the exit code. */
export async function build(names: readonly string[], flags: BuildFlags): Promise<number> {
  const asked = names.length > 0 ? names : [DEFAULT_IMAGE];
  let wanted = await resolveNames(asked, flags.dev ?? false);
  if (!flags.dryRun && lacksKey(wanted)) {
    await ensureKeys();
    wanted = await resolveNames(asked, flags.dev ?? false);
  }
  const store = openStore();
  if (flags.dryRun) return await dryRun(wanted, store, flags);
  await holdStore(); // from the plan until the artifacts and the push are done
  const remote = await openRemote();
  await checkKey(wanted.targets, store, { rebuild: flags.rebuild ?? false, remote: remote !== undefined });
  if (flags.push) checkPush();
  const keys = keyReader(loadFacts(store));
  await tellBeforehand(wanted, store, keys, flags);
  const result = await runBuild(wanted.targets, { ...flags, store, keys, ...(remote ? { remote } : {}) });
  const folderOf = (image: LoadedImage) => outFolder(image.name, flags.dev ?? false);
  const interruption = catchSignals(() => closeStore(store));
  const { signal } = interruption;
  const manifests: { folder: string; manifest: Manifest }[] = [];
  try {
    for (const image of wanted.whole) {
      const manifest = await publishImage(store, image, result.outputs, folderOf(image), signal);
      if (manifest) manifests.push({ folder: folderOf(image), manifest });
    }
    for (const { image, artifact } of wanted.single) {
      const file = await publishSingle(store, image, artifact, result.outputs, folderOf(image), signal);
      if (file) log(`${image.name}:${artifact}: ${file}`);
    }
  } finally {
    closeStore(store); // Publishing leaves files in tmp/, after the build has cleaned it.
    interruption.end();
  }
  for (const text of describeFailures(result.failures)) process.stderr.write(`${text}\n`);
  if (flags.push && result.failures.length === 0) await push(store, result, remote);
  if (flags.json)
    process.stdout.write(`${JSON.stringify(resultDocument(wanted, result, manifests), null, 2)}\n`);
  summarize(wanted, result);
  return exitCode(result);
}

/** Prints the plan, and an estimate of its duration on this host. */
async function tellBeforehand(
  { targets }: Wanted,
  store: Store,
  keys: KeyReader,
  { rebuild = false }: BuildFlags,
): Promise<void> {
  const said = describeForecast(forecast(store, await planBuild(targets, { store, rebuild, keys })));
  if (said !== undefined) log(`to do: ${said}`);
}

/** `--push` without a remote store is bad input. The error comes before the build. */
function checkPush(): string {
  const base = remoteBase();
  if (base !== undefined) return base;
  throw badInput('there is no remote store to push to', { hint: 'name it in DRAISINE_REMOTE' });
}

async function push(store: Store, { made }: BuildResult, remote: Remote | undefined): Promise<void> {
  const base = checkPush();
  const { records, blobs, bytes } = await pushAll(remoteClient(base), store, made, remote);
  log(`${base}: ${records} records and ${blobs} files pushed, ${formatBytes(bytes)}`);
}

/**
 * Whether a wanted target needs the certificate of a key although there is no key (build/product/product.ts).
 */
function lacksKey({ targets }: Wanted): boolean {
  return makeGraph(targets).nodes.some(({ target }) => target.inputs.certificate === '');
}

async function dryRun(wanted: Wanted, store: Store, flags: BuildFlags): Promise<number> {
  const plan = forecast(store, await planBuild(wanted.targets, { store, rebuild: flags.rebuild ?? false }));
  if (flags.json) process.stdout.write(`${JSON.stringify({ plan }, null, 2)}\n`);
  else if (plan.length === 0) process.stdout.write('nothing to do\n');
  else {
    for (const { name, certain, reasons } of plan) {
      process.stdout.write(
        `${certain ? 'would run' : 'may run  '} ${name}${flags.explain ? `: ${reasons.join('; ')}` : ''}\n`,
      );
    }
    process.stdout.write(`${describeForecast(plan)}\n`);
  }
  return 0;
}

function resultDocument(
  wanted: Wanted,
  result: BuildResult,
  images: readonly { folder: string; manifest: Manifest }[],
): unknown {
  const names = new Set(wanted.targets.map(({ name }) => name));
  return {
    targets: [...result.outputs]
      .filter(([name]) => names.has(name))
      .map(([name, output]) => ({ name, ...output })),
    images: images.map(({ folder, manifest }) => ({ folder, ...manifest })),
    ran: result.ran,
    failures: result.failures.map(({ name, error }) => ({ name, error: describeFailure(error) })),
    skipped: result.skipped,
    total: result.total,
    ms: Math.round(result.ms),
  };
}

function summarize(wanted: Wanted, { ran, failures, skipped, total, ms }: BuildResult): void {
  const what = [
    ...wanted.whole.map(({ name }) => name),
    ...wanted.single.map(({ image, artifact }) => `${image.name}:${artifact}`),
  ];
  const names = what.length > 0 ? what.join(', ') : wanted.targets.map(({ name }) => name).join(', ');
  if (failures.length > 0 || skipped.length > 0) {
    log(
      `${names}: ${failures.length} failed, ${skipped.length} not built, ${ran.length} built (${formatSeconds(ms)})`,
    );
  } else if (ran.length === 0) log(`${names}: up to date (${total} targets, ${formatSeconds(ms)})`);
  else log(`${names}: done (${ran.length} of ${total} targets built, ${formatSeconds(ms)})`);
}

function exitCode({ failures, skipped }: BuildResult): number {
  if (failures.length === 0) return skipped.length > 0 ? 1 : 0;
  return failures.every(({ error }) => error instanceof Failure && error.exitCode === 2) ? 2 : 1;
}
