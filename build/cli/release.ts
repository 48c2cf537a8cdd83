import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHECKOUT } from '../../sdk/lib/checkout.ts';
import { badInput, Failure, ifThere } from '../../sdk/lib/errors.ts';
import { writeAtomic } from '../../sdk/lib/files.ts';
import { log, warn } from '../../sdk/lib/log.ts';
import { loadImage, readImage } from '../product/images.ts';
import { RELEASE, type Statements } from '../release/build.ts';
import { SEVERITIES } from '../release/format/namespaces.ts';
import type { Root } from '../release/format/types.ts';
import { isVersion } from '../release/format/version.ts';
import { buildRelease, checkRebuilt } from '../release/make.ts';
import { isUrl, placeOf } from '../release/place.ts';
import { faultsOfReport, REPORT, writeTestReport } from '../release/report.ts';
import { readOwnRoot, replacedRootOf, type Signer, signersFor, signingFolder } from '../release/signing.ts';
import {
  addSignature,
  formatEnvelope,
  isSigned,
  type Opened,
  openEnvelope,
  signersOf,
} from '../release/trust/envelope.ts';
import { checkFresh, openRoot } from '../release/trust/root.ts';
import { checkFiles, checkReleaseTrust, readRelease } from '../release/verify.ts';
import { ensureKeys } from './keys.ts';

/** The options of `release build`. */
export interface ReleaseFlags {
  readonly version?: string;
  readonly severity?: string;
  readonly needs?: string;
  readonly notes?: string;
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
    const { release, written } = await buildRelease(image, folder, statements);
    made.push({ folder, written, ...release });
    log(`${name} ${image.version}: ${written ? 'released' : 'is there, unchanged'} in ${folder}`);
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(made, null, 2)}\n`);
}

/** The root that the user trusts: the named file, else the one beside the user's keys. */
export async function trustedRoot(file: string | undefined): Promise<Opened<'root'>> {
  if (file === undefined)
    return await readOwnRoot(
      signingFolder(),
      './draisine keys init; or name the root.json that you trust: --root FILE',
    );
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

/**
 * Adds signatures by release keys until there are `enough` good ones. A key that cannot sign is passed over; with
 * `strict`, it is an error.
 */
async function signWith(
  name: 'release' | 'report',
  opened: Opened<'release' | 'report'>,
  root: Root,
  signers: readonly Signer[],
  { enough, strict }: { readonly enough: number; readonly strict: boolean },
) {
  let envelope = opened.envelope;
  const failures: string[] = [];
  let good = await signersOf(opened, name, root.roles.release, root);
  for (const { id, key, publicKey } of signers) {
    if (good.includes(id)) continue;
    if (good.length >= enough) break;
    try {
      envelope = await addSignature(envelope, name, key, publicKey);
      good = [...good, id];
    } catch (error) {
      if (!(error instanceof Failure) || strict || error.exitCode === 2) throw error;
      failures.push(error.message);
    }
  }
  return { envelope, failures, good: good.length };
}

/**
 * Signs the test report of a release again if keys of an earlier root have signed it. Otherwise nobody could promote the
 * release after a rotation of release keys, without the results of its tests.
 */
async function signReport(folder: string, root: Root, signers: readonly Signer[]): Promise<void> {
  const path = join(folder, REPORT);
  const text = await ifThere(readFile(path, 'utf8'));
  if (text === undefined) return;
  const opened = await openEnvelope('report', text, path);
  if (await isSigned(opened, 'report', root, 1)) return;
  const older = await replacedRootOf(signingFolder(), root, opened, 'report', 1);
  if (older === undefined) {
    warn(`${path}: no key of root ${root.number} or an earlier one has signed this test report; it stays so`);
    return;
  }
  const { envelope, failures, good } = await signWith('report', opened, root, signers, {
    enough: 1,
    strict: false,
  });
  if (good === 0) throw new Failure(failures.join('\n       '), { where: path });
  await writeAtomic(path, formatEnvelope(envelope));
  log(`${path}: signed again, because keys of root ${older} had signed it`);
}

/** Signatures and reports are written into a folder. A URL would become the path of a new one. */
function checkFolder(where: string): void {
  if (isUrl(where)) throw badInput('only a folder can be signed', { where, hint: 'fetch the release first' });
}

/** `release sign DIR` checks every file, then adds signatures to release.json. */
export async function releaseSign(folder: string, { key = [], root, json }: SignFlags): Promise<void> {
  checkFolder(folder);
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
  const { threshold } = trusted.value.roles.release;
  const all = key.length > 0; // All keys sign that the user has named.
  const {
    envelope,
    failures,
    good: have,
  } = await signWith('release', release, trusted.value, signers, {
    enough: all ? Number.POSITIVE_INFINITY : threshold,
    strict: all,
  });
  if (envelope === release.envelope && failures.length > 0)
    throw new Failure(failures.join('\n       '), { where: folder });
  if (envelope !== release.envelope) await writeAtomic(join(folder, RELEASE), formatEnvelope(envelope));
  await signReport(folder, trusted.value, signers);
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
  await checkReleaseTrust(release, root.value, flags.root === undefined ? signingFolder() : undefined);
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
  checkFolder(folder);
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
        where: join(folder, REPORT),
      },
    );
}
