import { FORMAT } from '../../../build/release/format/namespaces.ts';
import type { Channel, Release } from '../../../build/release/format/types.ts';
import { HASHES, makeUki, NEXT } from '../disk/testing.ts';
import type { Terminal } from '../install/terminal.ts';
import type { FakeBox } from '../io/fake.ts';
import { base64, sha256, sha256Bytes } from '../io/sha256.ts';
import { encodeUtf8 } from '../io/utf8.ts';
import { POLICY } from '../settings/update.ts';
import { fakeWorld, type World } from '../trial/testing.ts';
import { BUILT_IN_ROOT } from '../trust/trust.ts';
import { draisineMain } from './main.ts';
import type { StatusReport } from './report.ts';

const BASE = 'https://updates.example/box';

/** Fake servers for the curl of a fake box. They do not support ranges. */
export class FakeWeb {
  readonly files = new Map<string, Uint8Array>();
  readonly asked: string[] = [];
  /** Exit code of curl for all requests. 7: the server does not answer. */
  down = 0;
  /** Called at each request. */
  during: (url: string) => void = () => {};

  constructor(box: FakeBox) {
    box.program('ssh-keygen', () => '');
    box.program('sh', ([, , script = '', ...words], { stdin }) => {
      if (script.includes('ulimit')) return this.#fetch(String(stdin));
      const [, config = '', told = '', , digest = ''] = words;
      const { bytes, stderr } = this.#fetch(box.readText(config));
      let at = 0;
      for (const [, length, to = ''] of script.matchAll(/head -c (\d+) \| dd of='([^']*)'/g)) {
        const piece = bytes.slice(at, at + Number(length));
        at += Number(length);
        if (box.stat(to)?.type === 'block')
          box.open(to, 'write').write(0, piece.slice(0, box.open(to, 'read').size));
        else if (to !== '/dev/null') box.put({ [to]: piece });
      }
      box.put({ [told]: `${this.down}\n`, [digest]: `${sha256(bytes)}  -\n` });
      return { stderr };
    });
  }

  #fetch(config: string): { code: number; bytes: Uint8Array; stderr: string } {
    const [, url = ''] = /^url = "(.*)"$/m.exec(config) ?? [];
    this.asked.push(url.replace(`${BASE}/`, ''));
    this.during(url);
    const none = new Uint8Array(0);
    if (this.down > 0) return { code: this.down, bytes: none, stderr: 'DRAISINE 000 0 \n' };
    const bytes = this.files.get(url.replace(`${BASE}/`, ''));
    if (!bytes) return { code: 22, bytes: none, stderr: 'DRAISINE 404 0 \n' };
    return { code: 0, bytes, stderr: `DRAISINE 200 ${bytes.length} \n` };
  }

  put(path: string, content: string | Uint8Array): void {
    this.files.set(path, typeof content === 'string' ? encodeUtf8(content) : content);
  }
}

const envelope = (value: object, key: string) =>
  JSON.stringify({ signed: JSON.stringify(value), signatures: [{ key, sshsig: 'x' }] });

/** Publishes a channel with NEXT. Signatures are not checked here, but in trust.test.ts. */
export function publish(
  box: FakeBox,
  web: FakeWeb,
  changes: { channel?: Partial<Channel>; release?: Partial<Release> } = {},
): void {
  const blob = base64(encodeUtf8('a key'));
  const key = `SHA256:${base64(sha256Bytes(encodeUtf8('a key')))}`;
  const role = { threshold: 1, keys: [key] };
  const times = { issued: '2026-11-28T12:00:00Z', expires: '2027-11-28T12:00:00Z' };
  const root = envelope(
    {
      format: FORMAT,
      number: 1,
      ...times,
      keys: { [key]: `ssh-ed25519 ${blob}` },
      roles: { root: role, release: role, channel: role },
    },
    key,
  );
  box.put({ [BUILT_IN_ROOT]: root });
  web.put('root.json', root);

  const usr = new Uint8Array(16_384);
  usr.set(encodeUtf8(HASHES.next));
  const uki = makeUki(HASHES.next);
  const release = envelope(
    {
      format: FORMAT,
      image: 'n100',
      version: NEXT,
      date: '2026-11-29T00:00:00Z',
      rootHash: HASHES.next,
      usr: { data: 4096, hash: 4096, hashOffset: 12_288 },
      files: {
        'usr.img': { size: usr.length, sha256: sha256(usr) },
        'uki.efi': { size: uki.length, sha256: sha256(uki) },
      },
      kernel: '6.12.57',
      severity: 'none',
      ...changes.release,
    },
    key,
  );
  web.put(`n100/releases/${NEXT}/release.json`, release);
  web.put(`n100/releases/${NEXT}/usr.img`, usr);
  web.put(`n100/releases/${NEXT}/uki.efi`, uki);
  const channel = {
    format: FORMAT,
    image: 'n100',
    channel: 'stable',
    serial: 5,
    issued: '2026-11-28T12:00:00Z',
    expires: '2026-12-05T12:00:00Z',
    version: NEXT,
    release: sha256(release),
    barriers: [],
    withdrawn: [],
    ...changes.channel,
  };
  web.put('n100/stable.json', envelope(channel, key));
}

export const policyText = (changes: object = {}) => JSON.stringify({ format: 1, base: BASE, ...changes });

/** A fake box with an installed release, a channel on a fake server, and the command line. */
export interface Setting {
  readonly box: FakeBox;
  readonly world: World;
  readonly web: FakeWeb;
  /** Runs `draisine …`; what it printed, and its exit code. */
  readonly draisine: (...args: string[]) => { code: number; out: string; err: string };
  readonly status: () => StatusReport;
}

/** Makes such a box. `changes` are those of `publish`. */
export function setting(policy: object = {}, changes: Parameters<typeof publish>[2] = {}): Setting {
  const { box, world } = fakeWorld();
  const web = new FakeWeb(box);
  publish(box, web, changes);
  box.put({ [POLICY]: policyText(policy) });
  const draisine = (...args: string[]) => {
    const [out, err, before] = [[] as string[], [] as string[], box.logged.length];
    const terminal: Terminal = {
      print: (line) => void out.push(line),
      complain: (line) => void err.push(line),
      ask: () => undefined,
    };
    const code = draisineMain(box, terminal, args);
    return {
      code,
      out: out.join('\n'),
      err: [...err, ...box.logged.slice(before).map(({ text }) => text)].join('\n'),
    };
  };
  return {
    box,
    world,
    web,
    draisine,
    status: () => JSON.parse(draisine('status', '--json').out) as StatusReport,
  };
}
