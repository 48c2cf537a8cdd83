import { existsSync } from 'node:fs';
import { badInput } from '../../sdk/lib/errors.ts';
import { log } from '../../sdk/lib/log.ts';
import { sdkTree } from '../image/sdk.ts';
import { keysFolder, makeKeys, moduleCertificate, parseCertificate } from '../keys/keys.ts';
import type { RoleName } from '../release/format/namespaces.ts';
import type { Root } from '../release/format/types.ts';
import {
  makeSigningKeys,
  ROLES,
  type RolePlan,
  type Rotated,
  readOwnRoot,
  rotateKeys,
  signersIn,
  signingFolder,
  signNextRoot,
} from '../release/signing.ts';

/** The options of `keys init`. */
export interface InitFlags {
  /** `K/N`. */
  readonly root: string;
  readonly release: string;
  readonly use?: readonly string[];
  readonly json?: boolean;
}

/** `keys init` makes the module key and the keys of releases, except for those that are there. */
export async function keysInit(flags: InitFlags): Promise<void> {
  const modules = (await moduleCertificate()) === undefined;
  const folder = signingFolder();
  if (!modules && existsSync(folder)) {
    throw badInput('there are keys already', {
      where: keysFolder(),
      hint: 'use them, replace single ones (./draisine keys rotate), or set DRAISINE_KEYS to another folder',
    });
  }
  const given = givenKeys(flags.use ?? []);
  const plan = {
    root: planOf('--root', flags.root, given.root),
    release: planOf('--release', flags.release, given.release),
    channel: { threshold: 1, count: 1, given: given.channel },
  };
  const root = existsSync(folder)
    ? (await readOwnRoot(folder)).value
    : (await makeSigningKeys(folder, plan)).value; // first, because it may refuse the plan
  if (modules) await makeModuleKey();
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ folder: keysFolder(), root }, null, 2)}\n`);
    return;
  }
  const { threshold, keys } = root.roles.root;
  log(
    `made ${folder}: ${threshold} of ${keys.length} root keys sign a new root; keep root and release keys offline, ` +
      'each in a different place; only the channel key must be on the machine that renews channels',
  );
}

function planOf(option: string, text: string, given: readonly string[]): RolePlan {
  const [, threshold, count] = /^(\d{1,2})\/(\d{1,2})$/.exec(text) ?? [];
  if (threshold === undefined || count === undefined)
    throw badInput(`${option} must be K/N, as 2/3, not ${text}`);
  return { threshold: Number(threshold), count: Number(count), given };
}

function givenKeys(uses: readonly string[]): Record<RoleName, string[]> {
  const given: Record<RoleName, string[]> = { root: [], release: [], channel: [] };
  for (const use of uses) {
    const [role = '', file = ''] = use.split(/=(.*)/s, 2);
    if (file === '') throw badInput(`--use must be ROLE=FILE.pub, not ${use}`);
    given[checkRole(role)].push(file);
  }
  return given;
}

function checkRole(role: string): RoleName {
  const found = ROLES.find((each) => each === role);
  if (found === undefined)
    throw badInput(`there is no role ${role}`, { hint: `there are: ${ROLES.join(', ')}` });
  return found;
}

async function makeModuleKey(): Promise<void> {
  await makeKeys(await sdkTree('sdk-image'));
  log(
    `made ${keysFolder()}: do not lose it, and keep it secret; a kernel loads only modules signed with its own key`,
  );
}

/**
 * The certificate of the module key for a build. Without any key, one is made, so that a fresh machine can
 * build. A folder that `DRAISINE_KEYS` names must have its keys.
 */
export async function ensureKeys(): Promise<void> {
  if ((await moduleCertificate()) !== undefined) return;
  if (process.env.DRAISINE_KEYS) {
    throw badInput('there is no key to sign kernel modules with', {
      where: `DRAISINE_KEYS=${process.env.DRAISINE_KEYS}`,
      hint: 'put modules.key and modules.crt there, or make them: ./draisine keys init',
    });
  }
  log('no key to sign kernel modules with yet');
  await makeModuleKey();
}

/** `keys show` */
export async function keysShow({ json }: { readonly json?: boolean }): Promise<void> {
  const folder = keysFolder();
  const certificate = await moduleCertificate();
  const signing = existsSync(signingFolder()) ? (await readOwnRoot(signingFolder())).value : undefined;
  if (certificate === undefined && signing === undefined) {
    throw badInput('there are no keys', { where: folder, hint: './draisine keys init' });
  }
  const shown = { folder, ...(certificate === undefined ? {} : certificateFacts(certificate)) };
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...shown, ...(signing ? { root: signing } : {}) }, null, 2)}\n`);
    return;
  }
  const lines = Object.entries(shown).map(([name, value]) => `${name.padEnd(15)} ${value}\n`);
  process.stdout.write([...lines, ...(signing ? await describeRoles(signing) : [])].join(''));
}

function certificateFacts(certificate: string): Record<string, string> {
  const { subject, serialNumber, fingerprint256, validFrom, validTo } = parseCertificate(certificate);
  return { subject, serialNumber, fingerprint256, validFrom, validTo };
}

async function describeRoles(root: Root): Promise<string[]> {
  const names = new Map((await signersIn(signingFolder())).map(({ id, name }) => [id, name]));
  const lines = [`${'root'.padEnd(15)} number ${root.number}, expires ${root.expires}\n`];
  for (const role of ROLES) {
    const { threshold, keys } = root.roles[role];
    lines.push(`${`${role} keys`.padEnd(15)} ${threshold} of ${keys.length} sign\n`);
    for (const id of keys) lines.push(`${''.padEnd(15)} ${id} ${names.get(id) ?? 'elsewhere'}\n`);
  }
  return lines;
}

/** The options of `keys rotate`. */
export interface RotateFlags {
  readonly only?: readonly string[];
  readonly keep?: boolean;
  readonly use?: readonly string[];
  readonly json?: boolean;
}

/** `keys rotate ROLE` */
export async function keysRotate(role: string, { only, keep, use = [], json }: RotateFlags): Promise<void> {
  if (keep && only) throw badInput('--keep and --only exclude each other: --keep replaces no key');
  const replace = keep ? [] : only;
  const rotated = await rotateKeys(signingFolder(), checkRole(role), { replace, given: use });
  report(rotated, json);
  if (role === 'release' && !keep && rotated.missing.length === 0)
    log(
      'boxes take no release any more that only replaced keys have signed: sign those of your channels again ' +
        '(./draisine release sign BASE/IMAGE/releases/VERSION) before you publish the root',
    );
}

/** `keys sign` */
export async function keysSign({ json }: { readonly json?: boolean }): Promise<void> {
  report(await signNextRoot(signingFolder()), json);
}

function report({ root, missing }: Rotated, json = false): void {
  if (json) process.stdout.write(`${JSON.stringify({ number: root.number, missing }, null, 2)}\n`);
  if (missing.length === 0) {
    log(`root ${root.number} is made: publish it (./draisine channel refresh BASE)`);
    return;
  }
  process.exitCode = 1;
  log(`root ${root.number} is not complete yet (${signingFolder()}/root-next.json): ${missing.join('; ')}`);
  log('take that file to the machine with the other root keys, and run there: ./draisine keys sign');
}
