import { fakeLocks } from '../disk/testing.ts';
import type { FakeBox, FakeRan } from '../io/fake.ts';

/* Two fake machines with ZFS, with the functions that a replication needs. */

interface Snap {
  readonly name: string;
  readonly guid: string;
  readonly txg: number;
}

interface Dataset {
  snapshots: Snap[];
  bookmarks: Snap[];
  /** The interrupted transfer: its snapshot and its base. */
  partial: { readonly token: string; readonly snap: Snap; readonly base: string | undefined } | undefined;
}

const NOTHING = (): Dataset => ({ snapshots: [], bookmarks: [], partial: undefined });

export class TwoMachines {
  readonly source = NOTHING();
  readonly there = new Map<string, Dataset>();
  readonly holds = new Set<string>();
  encrypted = false;
  /** Number of transfers to interrupt in the middle. */
  cuts = 0;
  full = false;
  /** Number of snapshots that the target keeps, whatever is asked (usr/lib/draisine/receive). */
  floor = 1;
  /** True if the dataset at the target was changed. */
  modified = false;
  /** A failure of ssh: its message and exit code. */
  ssh: FakeRan | undefined;
  /** A wrong output of `zfs send -n -v -t`. */
  token: string | undefined;
  readonly sent: string[] = [];
  #txg = 100;

  constructor(readonly box: FakeBox) {
    box.program('zfs', (argv) => this.#here(argv.slice(1)));
    box.program('ssh', (argv) => this.ssh ?? this.#there(argv.slice(argv.indexOf('--') + 3)));
    box.program('bash', ([, , script = '']) => this.#transfer(script));
    fakeLocks(box);
    box.makeFolder('/proc');
    box.symlink('42', '/proc/self');
  }

  add(dataset: Dataset, name: string, guid = `${++this.#txg}00`): Snap {
    const snap = { name, guid, txg: ++this.#txg };
    dataset.snapshots.push(snap);
    return snap;
  }

  target(name = 'tank/backup/data'): Dataset {
    const found = this.there.get(name);
    if (!found) throw new Error(`${name} does not exist`);
    return found;
  }

  #here(words: readonly string[]): FakeRan {
    const [verb, ...rest] = words;
    const last = rest.at(-1) ?? '';
    if (verb === 'get') return { stdout: this.encrypted ? 'aes-256-gcm\n' : 'off\n' };
    if (verb === 'send') return this.#tellToken(last);
    if (verb === 'hold') this.holds.add(last);
    if (verb === 'release') return { code: this.holds.delete(last) ? 0 : 1 };
    if (verb === 'snapshot') this.add(this.source, last);
    if (verb === 'bookmark') {
      const snap = this.source.snapshots.find(({ name }) => name === rest[0]);
      if (!snap) return { code: 1, stderr: 'snapshot does not exist' };
      this.source.bookmarks.push({ ...snap, name: last });
    }
    if (verb === 'destroy' && this.holds.has(last)) return { code: 1, stderr: 'dataset is busy' };
    return this.#either(this.source, words);
  }

  #there(words: readonly string[]): FakeRan {
    const name = (words.at(-1) ?? '').split('@')[0] ?? '';
    const dataset = this.there.get(name);
    if (!dataset) return { code: 1, stderr: `cannot open '${name}': dataset does not exist\n` };
    if (words[0] === 'get') return { stdout: `${dataset.partial?.token ?? '-'}\n` };
    if (words[0] === 'receive') {
      dataset.partial = undefined;
      if (dataset.snapshots.length === 0) this.there.delete(name);
      return {};
    }
    const newer =
      dataset.snapshots.length - 1 - dataset.snapshots.findIndex((one) => one.name === words.at(-1));
    if (words[0] === 'destroy' && newer < this.floor)
      return { code: 1, stderr: `not allowed here: x: at least ${this.floor} snapshots of a dataset stay\n` };
    return this.#either(dataset, words);
  }

  #either(dataset: Dataset, [verb, ...rest]: readonly string[]): FakeRan {
    const last = rest.at(-1) ?? '';
    if (verb === 'list') {
      const points = [...dataset.snapshots, ...dataset.bookmarks].sort((a, b) => a.txg - b.txg);
      return { stdout: points.map(({ name, guid, txg }) => `${name}\t${guid}\t${txg}\n`).join('') };
    }
    if (verb === 'destroy')
      for (const list of ['snapshots', 'bookmarks'] as const)
        dataset[list] = dataset[list].filter(({ name }) => name !== last);
    return {};
  }

  #partialOf(token: string): Dataset['partial'] {
    return [...this.there.values()].find(({ partial }) => partial?.token === token)?.partial;
  }

  #tellToken(token: string): FakeRan {
    if (this.token !== undefined) return { stdout: this.token };
    const partial = this.#partialOf(token);
    const snap = this.source.snapshots.find(({ guid }) => guid === partial?.snap.guid);
    if (!snap)
      return {
        code: 255,
        stderr: `cannot resume send: '${partial?.snap.name}' used in the initial send no longer exists\n`,
      };
    return {
      stdout: `resume token contents:\n\ttoname = ${snap.name}\n${this.encrypted ? '\trawok = 1\n' : ''}`,
    };
  }

  #transfer(script: string): FakeRan {
    const [send = '', receive = ''] = script.split(' | ').map((side) => side.replaceAll("'", ''));
    const words = send.split(' ').slice(2);
    this.sent.push(words.join(' '));
    if (this.ssh) return { stderr: `${this.ssh.stderr}\nDRAISINE 141 ${this.ssh.code}\n` };
    const name = /receive -s -u (\S+);/.exec(receive)?.[1] ?? '';
    const had = this.there.get(name);
    const resumed = words[0] === '-t' ? this.#partialOf(words[1] ?? '') : undefined;
    const known = [...this.source.snapshots, ...this.source.bookmarks];
    const snap = resumed?.snap ?? known.find((point) => point.name === words.at(-1));
    const named = words.includes('-i') ? words[words.indexOf('-i') + 1] : undefined;
    const base = resumed ? resumed.base : known.find((point) => point.name === named)?.guid;
    const fails = (text: string, code = 1): FakeRan => ({
      stderr: `cannot receive: ${text}\nDRAISINE 141 ${code}\n`,
    });
    if (!snap) return { stderr: 'cannot send: snapshot does not exist\nDRAISINE 1 1\n' };
    if (had?.partial && !resumed) return fails('destination contains partially-complete state');
    if (had && !resumed && base === undefined) return fails(`destination '${name}' exists`);
    if (base !== undefined && had?.snapshots.at(-1)?.guid !== base)
      return fails('most recent snapshot does not match incremental source');
    if (this.modified) return fails('destination has been modified since most recent snapshot');
    const dataset = had ?? NOTHING();
    this.there.set(name, dataset);
    if (this.full || this.cuts > 0) {
      dataset.partial = { token: `1-${snap.guid}`, snap, base };
      if (this.full) return fails('out of space');
      this.cuts--;
      return { stderr: 'client_loop: send disconnect: Broken pipe\nDRAISINE 141 255\n' };
    }
    dataset.partial = undefined;
    this.add(dataset, snap.name.replace(/^[^@#]*/, name), snap.guid);
    return { stderr: 'DRAISINE 0 0\n' };
  }
}

export const NAS = {
  ...{ name: 'data', dataset: 'tank/data', user: 'backup', host: 'other.example', port: 22 },
  ...{ target: 'tank/backup/data', keep: 3 },
};
