import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { badInput, errorCode, Failure, ifThere } from '../../sdk/lib/errors.ts';
import { byteOrder, writeAtomic } from '../../sdk/lib/files.ts';
import { keysFailure, keysFolder } from '../keys/keys.ts';
import { fingerprint, makeSshKey, publicKey } from '../keys/ssh.ts';
import type { RoleName } from './format/namespaces.ts';
import { formatTime } from './format/time.ts';
import type { Envelope, Root } from './format/types.ts';
import {
  addSignature,
  formatEnvelope,
  isSigned,
  type Opened,
  openEnvelope,
  type SignedName,
  signersOf,
} from './trust/envelope.ts';
import { openRoot } from './trust/root.ts';

/*
 * The keys that sign roots, releases and channels. They are beside the module key, in `signing/`, as `ROLE-N`
 * and `ROLE-N.pub`.
 * If only the public half is there, the user's agent is asked for the signature. None of them is an input of
 * a build.
 */

/** The roles of keys, in the order in which they are made and shown. */
export const ROLES = ['root', 'release', 'channel'] as const satisfies readonly RoleName[];
const YEAR_MS = 365 * 24 * 3600 * 1000;

/** The first keys of a role: new ones, or public halves of keys that are elsewhere. */
export interface RolePlan {
  readonly threshold: number;
  readonly count: number;
  /** Files with public keys. They count as keys of the role. */
  readonly given: readonly string[];
}

/** For each role: the number of its keys, and the number of keys that must sign. */
export type SigningPlan = Readonly<Record<RoleName, RolePlan>>;

/** A key of a role that this machine may be able to sign with. */
export interface Signer {
  readonly id: string;
  readonly name: string;
  /** The key in the form of `signText`. */
  readonly key: string;
  readonly publicKey: string;
}

/** The folder of the signing keys and of root.json. */
export function signingFolder(): string {
  return join(keysFolder(), 'signing');
}

/** The keys whose public halves are in the folder, by name. */
export async function signersIn(folder: string): Promise<Signer[]> {
  const names = (await readdir(folder)).filter((name) => /^[a-z]+-\d+\.pub$/.test(name)).sort(byteOrder);
  return await Promise.all(
    names.map(async (file) => {
      const path = join(folder, file);
      const secret = path.replace(/\.pub$/, '');
      const line = publicKey(await readFile(path, 'utf8'), path);
      return {
        id: fingerprint(line),
        name: file.replace(/\.pub$/, ''),
        key: existsSync(secret) ? secret : path,
        publicKey: line,
      };
    }),
  );
}

async function temporaryFolder(folder: string): Promise<string> {
  try {
    await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
    return await mkdtemp(`${folder}.tmp-`);
  } catch (error) {
    throw keysFailure(dirname(folder), error);
  }
}

/**
 * root.json of the folder.
 * @throws badInput, with this hint, if there is none
 */
export async function readOwnRoot(folder: string, hint = './draisine keys init'): Promise<Opened<'root'>> {
  const path = join(folder, 'root.json');
  const text = await ifThere(readFile(path, 'utf8'));
  if (text === undefined) throw badInput('there is no root of trust yet', { where: path, hint });
  return await openRoot(text, path);
}

/**
 * The number of the newest earlier root beside the keys whose keys have signed a file; undefined if there is none.
 * `root`: the present one. `least`: another number of signatures than the threshold.
 */
export async function replacedRootOf(
  folder: string,
  root: Root,
  opened: Opened<SignedName>,
  name: SignedName,
  least?: number,
): Promise<number | undefined> {
  for (let number = root.number - 1; number >= 1; number--) {
    const path = join(folder, `root.${number}.json`);
    const text = await ifThere(readFile(path, 'utf8'));
    if (text === undefined) continue;
    if (await isSigned(opened, name, (await openRoot(text, path)).value, least)) return number;
  }
  return undefined;
}

function envelopeOf(root: Root): Envelope {
  return { signed: `${JSON.stringify(root, null, 2)}\n`, signatures: [] };
}

/** The public key in a file that the user names. */
async function givenKey(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw badInput(`cannot read the public key (${errorCode(cause)})`, { where: path, cause });
  });
  return publicKey(text, path);
}

/** Makes `NAME` and `NAME.pub`, or takes over the public half of a given key. Returns the public key. */
async function placeKey(folder: string, name: string, given: string | undefined): Promise<string> {
  const path = join(folder, name);
  if (given === undefined) await makeSshKey(path, `draisine ${name}`);
  else await writeFile(`${path}.pub`, `${await givenKey(given)} ${name}\n`);
  return publicKey(await readFile(`${path}.pub`, 'utf8'), `${path}.pub`);
}

/**
 * Signs with keys of the folder until the root keys of all `roots` have signed often enough. Returns the
 * failures of keys that could not sign.
 */
async function signRoot(
  opened: Opened<'root'>,
  signers: readonly Signer[],
  roots: readonly Root[],
): Promise<{ opened: Opened<'root'>; missing: string[] }> {
  let now = opened;
  const failures: string[] = [];
  const lacking = async (root: Root) => {
    const done = await signersOf(now, 'root', root.roles.root, root);
    return Math.max(0, root.roles.root.threshold - done.length);
  };
  for (const root of roots) {
    for (const { id, key, publicKey: line, name } of signers) {
      if ((await lacking(root)) === 0) break;
      if (!root.roles.root.keys.includes(id) || now.envelope.signatures.some((each) => each.key === id))
        continue;
      try {
        now = { ...now, envelope: await addSignature(now.envelope, 'root', key, line) };
      } catch (error) {
        if (!(error instanceof Failure) || error.exitCode === 2) throw error;
        failures.push(`${name}: ${error.message}`);
      }
    }
  }
  const missing: string[] = [];
  for (const root of roots) {
    const count = await lacking(root);
    if (count > 0) missing.push(`${count} more of the root keys of root ${root.number}`);
  }
  return { opened: now, missing: missing.length > 0 ? [...missing, ...failures] : [] };
}

/**
 * Makes the keys of all roles and root 1, whole or not at all.
 * @throws badInput if there are keys already
 */
export async function makeSigningKeys(
  folder: string,
  plan: SigningPlan,
  now = Date.now(),
): Promise<Opened<'root'>> {
  if (existsSync(folder))
    throw badInput('there are signing keys already', {
      where: folder,
      hint: 'use them, replace single ones (./draisine keys rotate), or set DRAISINE_KEYS to another folder',
    });
  for (const role of ROLES) {
    const { threshold, count, given } = plan[role];
    if (threshold < 1 || threshold > count || given.length > count)
      throw badInput(
        `the role ${role} cannot have ${threshold} of ${count} keys, ${given.length} of them given`,
        {
          hint: 'write it as K/N with 1 ≤ K ≤ N, e.g. --root 2/3',
        },
      );
  }
  const made = await temporaryFolder(folder);
  try {
    await chmod(made, 0o700);
    const keys: Record<string, string> = {};
    const role = async (name: RoleName): Promise<Root['roles']['root']> => {
      const ids: string[] = [];
      for (let index = 0; index < plan[name].count; index++) {
        const line = await placeKey(made, `${name}-${index + 1}`, plan[name].given[index]);
        keys[fingerprint(line)] = line;
        ids.push(fingerprint(line));
      }
      if (new Set(ids).size < ids.length) throw badInput(`one key is given twice for the role ${name}`);
      return { threshold: plan[name].threshold, keys: ids as [string, ...string[]] };
    };
    const roles = {
      root: await role('root'),
      release: await role('release'),
      channel: await role('channel'),
    };
    const times = { issued: formatTime(now), expires: formatTime(now + YEAR_MS) };
    const root: Root = { format: 1, number: 1, ...times, keys, roles };
    const where = join(folder, 'root.json');
    const unsigned = { envelope: envelopeOf(root), value: root, where };
    const { opened, missing } = await signRoot(unsigned, await signersIn(made), [root]);
    if (missing.length > 0)
      throw new Failure(`the root lacks signatures: ${missing.join('; ')}`, {
        hint: 'start the agent that has the keys (ssh-add -L shows them), or plug the hardware key in',
      });
    for (const file of ['root.json', 'root.1.json'])
      await writeAtomic(join(made, file), formatEnvelope(opened.envelope));
    await rename(made, folder);
    return opened;
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw error;
  }
}

/** The keys of a role that are replaced, and the new ones. */
export interface Rotation {
  /**
   * Names (`root-2`) or fingerprints of the keys that go; undefined: all of the role. Empty: none, the root
   * only gets a new date.
   */
  readonly replace?: readonly string[] | undefined;
  /** Public halves of the new keys, if they are not to be made. */
  readonly given?: readonly string[];
  readonly now?: number;
}

/** The new root, and whether it is in force. */
export interface Rotated {
  readonly root: Root;
  /** The missing signatures of the new root. As long as some are missing, it stays in `root-next.json`. */
  readonly missing: readonly string[];
}

const NEXT = 'root-next.json';

function replacedKeys(
  role: RoleName,
  root: Root,
  signers: readonly Signer[],
  names?: readonly string[],
): string[] {
  const all = root.roles[role].keys;
  return (
    names?.map((name) => {
      const id = all.find((each) => each === name || signers.some((s) => s.name === name && s.id === each));
      if (id !== undefined) return id;
      const known = signers.filter((each) => all.includes(each.id)).map((each) => each.name);
      throw badInput(`the role ${role} has no key ${name}`, {
        hint: `it has: ${[...known, ...all].join(', ')}`,
      });
    }) ?? all
  );
}

/** Refuses new keys of a role that are too many, or that count only once beside another one. Nothing is written yet. */
async function checkGiven(
  role: RoleName,
  given: readonly string[],
  gone: readonly string[],
  stay: readonly string[],
): Promise<void> {
  if (given.length > gone.length)
    throw badInput(`${given.length} keys are given, and ${gone.length} of the role ${role} are replaced`, {
      hint: 'name the keys that go: --only NAME',
    });
  const known = new Set(stay);
  for (const file of given) {
    const id = fingerprint(await givenKey(file));
    if (known.has(id))
      throw badInput(`the role ${role} has this key already: ${id}`, {
        where: file,
        hint: 'give another one',
      });
    known.add(id);
  }
}

/**
 * Replaces keys of a role: root N + 1 is signed by the root keys of N and by its own. The present root stays
 * in force until the new one has all signatures. Replaced keys then move to `retired/`.
 */
export async function rotateKeys(folder: string, role: RoleName, rotation: Rotation = {}): Promise<Rotated> {
  const { replace, given = [], now = Date.now() } = rotation;
  const { value: old } = await readOwnRoot(folder);
  if (existsSync(join(folder, NEXT)))
    throw badInput('a new root waits for its signatures already', {
      where: join(folder, NEXT),
      hint: 'run ./draisine keys sign on the machine with the other root keys, or remove that file',
    });
  const before = await signersIn(folder);
  const gone = replacedKeys(role, old, before, replace);
  const stay = old.roles[role].keys.filter((id) => !gone.includes(id));
  await checkGiven(role, given, gone, stay);
  const fresh: string[] = [];
  const keys = { ...old.keys };
  let number = await highestNumber(folder, role);
  for (let index = 0; index < gone.length; index++) {
    const line = await placeKey(folder, `${role}-${++number}`, given[index]);
    keys[fingerprint(line)] = line;
    fresh.push(fingerprint(line));
  }
  const roles = {
    ...old.roles,
    [role]: { ...old.roles[role], keys: [...stay, ...fresh] as [string, ...string[]] },
  };
  const used = new Set(ROLES.flatMap((each) => roles[each].keys));
  const root: Root = {
    format: 1,
    number: old.number + 1,
    issued: formatTime(now),
    expires: formatTime(now + YEAR_MS),
    keys: Object.fromEntries(Object.entries(keys).filter(([id]) => used.has(id))),
    roles,
  };
  return await completeRoot(
    folder,
    { envelope: envelopeOf(root), value: root, where: join(folder, NEXT) },
    old,
  );
}

/** Signs the unfinished root of the folder with the keys on this machine. */
export async function signNextRoot(folder: string): Promise<Rotated> {
  const present = await readOwnRoot(folder);
  const path = join(folder, NEXT);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if (errorCode(cause) !== 'ENOENT') throw cause;
    throw badInput('no new root waits for signatures', {
      where: path,
      hint: './draisine keys rotate ROLE makes one',
    });
  });
  const next = await openEnvelope('root', text, path);
  // The present root itself: the command was interrupted before it could remove the file.
  const isPresent = next.envelope.signed === present.envelope.signed;
  if (!isPresent && next.value.number !== present.value.number + 1)
    throw badInput(`root ${next.value.number} does not follow the present root ${present.value.number}`, {
      where: path,
      hint: 'it has been overtaken: remove it, and begin again with ./draisine keys rotate ROLE',
    });
  return await completeRoot(folder, next, present.value);
}

async function completeRoot(folder: string, next: Opened<'root'>, old: Root): Promise<Rotated> {
  const signers = await signersIn(folder);
  const { opened, missing } = await signRoot(next, signers, [old, next.value]);
  const text = formatEnvelope(opened.envelope);
  await writeAtomic(join(folder, missing.length > 0 ? NEXT : `root.${next.value.number}.json`), text);
  if (missing.length > 0) return { root: next.value, missing };
  await writeAtomic(join(folder, 'root.json'), text);
  await rm(join(folder, NEXT), { force: true });
  const retired = signers.filter(({ id }) => next.value.keys[id] === undefined);
  if (retired.length > 0) await mkdir(join(folder, 'retired'), { recursive: true, mode: 0o700 });
  for (const { name } of retired)
    for (const file of [name, `${name}.pub`])
      if (existsSync(join(folder, file))) await rename(join(folder, file), join(folder, 'retired', file));
  return { root: next.value, missing: [] };
}

/** The highest number that a key of the role has had in this folder. */
async function highestNumber(folder: string, role: RoleName): Promise<number> {
  const retired = join(folder, 'retired');
  const names = [...(await readdir(folder)), ...(existsSync(retired) ? await readdir(retired) : [])];
  const numbers = names.flatMap((name) => new RegExp(`^${role}-(\\d+)\\.pub$`).exec(name)?.[1] ?? []);
  return Math.max(0, ...numbers.map(Number));
}

/**
 * The keys of a role with which this machine may sign: the `given` ones (private or .pub), else those of the
 * folder.
 */
export async function signersFor(
  role: RoleName,
  root: Root,
  folder: string,
  given: readonly string[] = [],
): Promise<Signer[]> {
  const named = await Promise.all(given.map(namedSigner));
  const all = given.length > 0 ? named : await signersIn(folder);
  for (const { id, key } of named)
    if (!root.roles[role].keys.includes(id))
      throw badInput(`this key does not belong to the role ${role}`, {
        where: `${key} (${id})`,
        hint: `root ${root.number} has: ${root.roles[role].keys.join(', ')}`,
      });
  return all.filter(({ id }) => root.roles[role].keys.includes(id));
}

/** A key that the user names: a private file with its `.pub` beside it, or the `.pub` of an agent's key. */
async function namedSigner(path: string): Promise<Signer> {
  const file = path.endsWith('.pub') ? path : `${path}.pub`;
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw badInput(`cannot read the public half of the key (${errorCode(cause)})`, {
      where: file,
      hint: `ssh-keygen -y -f ${path.replace(/\.pub$/, '')} > ${file}`,
      cause,
    });
  });
  const line = publicKey(text, file);
  const secret = file.replace(/\.pub$/, '');
  return { id: fingerprint(line), name: path, key: existsSync(secret) ? secret : file, publicKey: line };
}
