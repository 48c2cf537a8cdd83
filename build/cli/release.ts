import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput, Failure } from '../../sdk/lib/errors.ts';
import { writeAtomic } from '../../sdk/lib/files.ts';
import { log } from '../../sdk/lib/log.ts';
import { loadImage, readImage } from '../product/images.ts';
import { RELEASE, type Statements } from '../release/build.ts';
import { SEVERITIES } from '../release/format/namespaces.ts';
import type { Root } from '../release/format/types.ts';
import { isVersion } from '../release/format/version.ts';
import { buildRelease, checkRebuilt } from '../release/make.ts';
import { placeOf } from '../release/place.ts';
import { faultsOfReport, writeTestReport } from '../release/report.ts';
import { readOwnRoot, type Signer, signersFor, signingFolder } from '../release/signing.ts';
import { addSignature, formatEnvelope, type Opened, signersOf } from '../release/trust/envelope.ts';
import { checkFresh, openRoot } from '../release/trust/root.ts';
import { checkFiles, checkReleaseTrust, type LocatedRelease, readRelease } from '../release/verify.ts';
import { ensureKeys } from './keys.ts';

/** The options of `release build`. */
export interface ReleaseFlags {
  readonly version?: string;
  readonly severity?: string;
  readonly needs?: string;
  readonly notes?: string;
  readonly jobs?: number;
  readonly json?: boolean;
}

function statementsOf({ severity = 'none', needs, notes }: ReleaseFlags): Statements {
  const found = SEVERITIES.find((each) => each === severity);
  if (!found)
    throw badInput(`there is no severity ${severity}`, { hint: `there are: ${SEVERITIES.join(', ')}` });
  if (needs !== undefined && !isVersion(needs))
    throw badInput(`--needs is not a version: ${needs}`, { hint: 'write YYYY.MDD.N' });
  return {
    severity: found,
    ...(needs === undefined ? {} : { needs }),
    ...(notes === undefined ? {} : { notes }),
  };
}

/** The folder that `release build` makes for a version of an image: out/release/IMAGE/VERSION. */
function releaseFolder(image: string, version: string): string {
  return join(CHECKOUT, 'out', 'release', image, version);
}

/** `release build IMAGE…` */
export async function releaseBuild(names: readonly string[], flags: ReleaseFlags): Promise<void> {
  const statements = statementsOf(flags);
  if ((await Promise.all(names.map(readImage))).some(({ kernel }) => kernel.signed)) await ensureKeys();
  const version = flags.version === undefined ? {} : { version: flags.version };
  const made: object[] = [];
  for (const name of names) {
    const image = await loadImage(name, { dev: false, ...version });
    const folder = releaseFolder(name, image.version);
    const { release, written } = await buildRelease(image, folder, statements, flags.jobs);
    made.push({ folder, written, ...release });
    log(`${name} ${image.version}: ${written ? 'released' : 'is there, unchanged'} in ${folder}`);
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(made, null, 2)}\n`);
}

/** The root that the user trusts: the named file, else the one beside the user's keys. */
export async function trustedRoot(file: string | undefined): Promise<Opened<'root'>> {
  if (file === undefined) return await readOwnRoot(signingFolder());
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw badInput('cannot read the root', { where: file, hint: 'name a root.json', cause });
  });
  return await openRoot(text, file);
}

/** The options of `release sign` and `release report`. */
export interface SignFlags {
  readonly key?: readonly string[];
  readonly root?: string;
  readonly json?: boolean;
}

/** Adds signatures with the first `lacking` keys that can sign; with all keys if the user named them. */
async function signWith(release: LocatedRelease, root: Root, signers: readonly Signer[], all: boolean) {
  let envelope = release.envelope;
  const failures: string[] = [];
  const { threshold } = root.roles.release;
  let good = await signersOf(release, 'release', root.roles.release, root);
  for (const { id, key, publicKey } of signers) {
    if (good.includes(id)) continue;
    if (!all && good.length >= threshold) break;
    try {
      envelope = await addSignature(envelope, 'release', key, publicKey);
      good = [...good, id];
    } catch (error) {
      if (!(error instanceof Failure) || all || error.exitCode === 2) throw error;
      failures.push(error.message);
    }
  }
  return { envelope, failures, good: good.length };
}

/** `release sign DIR` checks every file, then adds signatures to release.json. */
export async function releaseSign(folder: string, { key = [], root, json }: SignFlags): Promise<void> {
  const trusted = await trustedRoot(root);
  checkFresh(trusted, Date.now());
  const release = await readRelease(placeOf(folder));
  await checkFiles(release);
  const signers = await signersFor('release', trusted.value, signingFolder(), key);
  if (signers.length === 0)
    throw badInput('there is no release key on this machine', {
      where: signingFolder(),
      hint: 'name one: --key FILE (a private key, or the .pub of one that an agent holds)',
    });
  const { envelope, failures, good: have } = await signWith(release, trusted.value, signers, key.length > 0);
  if (envelope === release.envelope && failures.length > 0)
    throw new Failure(failures.join('\n       '), { where: folder });
  if (envelope !== release.envelope) await writeAtomic(join(folder, RELEASE), formatEnvelope(envelope));
  const { threshold } = trusted.value.roles.release;
  if (json) process.stdout.write(`${JSON.stringify({ folder, signatures: have, threshold }, null, 2)}\n`);
  log(`${folder}: ${have} of ${threshold} signatures${have < threshold ? '; more are needed' : ''}`);
}

/** The options of `release verify`. */
export interface VerifyFlags {
  readonly root?: string;
  readonly rebuild?: boolean;
  readonly json?: boolean;
}

/** `release verify DIR|URL` */
export async function releaseVerify(where: string, flags: VerifyFlags): Promise<void> {
  const root = await trustedRoot(flags.root);
  const release = await readRelease(placeOf(where));
  await checkReleaseTrust(release, root.value);
  await checkFiles(release);
  const { image, version, files } = release.value;
  if (flags.rebuild) await checkRebuilt(release, await loadImage(image, { dev: false, version }));
  const count = Object.keys(files).length;
  const rebuilt = flags.rebuild ?? false;
  if (flags.json)
    process.stdout.write(
      `${JSON.stringify({ image, version, files: count, root: root.value.number, rebuilt }, null, 2)}\n`,
    );
  log(
    `${image} ${version}: signed under root ${root.value.number}, ${count} files are intact` +
      (rebuilt ? ', and a second build gave the same bytes' : ''),
  );
}

/** `release report DIR RESULTS…` signs the test results of a release. */
export async function releaseReport(
  folder: string,
  files: readonly string[],
  { key = [], root, json }: SignFlags,
): Promise<void> {
  const trusted = await trustedRoot(root);
  checkFresh(trusted, Date.now());
  const [signer] = await signersFor('release', trusted.value, signingFolder(), key);
  if (!signer)
    throw badInput('there is no release key on this machine', {
      where: signingFolder(),
      hint: 'name one: --key FILE (a private key, or the .pub of one that an agent holds)',
    });
  const report = await writeTestReport(folder, files, (envelope) =>
    addSignature(envelope, 'report', signer.key, signer.publicKey),
  );
  const faults = await faultsOfReport(folder, report);
  if (json) process.stdout.write(`${JSON.stringify({ ...report, faults }, null, 2)}\n`);
  log(`${report.image} ${report.version}: ${report.passed} tests passed, ${report.failed} failed`);
  if (faults.length > 0)
    throw new Failure(
      `the report is signed, but the release cannot be promoted with it: ${faults.join('; ')}`,
      {
        where: join(folder, 'report/report.json'),
      },
    );
}
