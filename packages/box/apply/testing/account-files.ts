import type { FakeBox, FakeRan } from '../../io/fake.ts';

const option = (argv: readonly string[], name: string): string | undefined =>
  argv.includes(name) ? argv[argv.indexOf(name) + 1] : undefined;

const members = (text: string | undefined): string[] => (text ?? '').split(',').filter((one) => one !== '');

/** /etc/passwd and /etc/group of a fake box, and the programs that change them, as far as Ignition and an apply call them. */
export class AccountFiles {
  readonly passwords = new Map<string, string>();

  constructor(readonly box: FakeBox) {
    this.passwords.set('root', '!*');
    box.program('install', (argv) => {
      box.makeFolder(argv.at(-1) ?? '', 0o700);
      return '';
    });
    const named = (change: (name: string, argv: readonly string[]) => FakeRan) => (argv: readonly string[]) =>
      change(argv.at(-1) ?? '', argv);
    box.program(
      'groupadd',
      named((name, argv) => this.#groupadd(name, argv)),
    );
    box.program(
      'groupdel',
      named((name) => this.#groupdel(name)),
    );
    box.program(
      'useradd',
      named((name, argv) => this.#useradd(name, argv)),
    );
    box.program(
      'usermod',
      named((name, argv) => this.#usermod(name, argv)),
    );
    box.program(
      'userdel',
      named((name) => this.#userdel(name)),
    );
  }

  rows(path: string): string[][] {
    return this.box
      .readText(path)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(':'));
  }

  #write(path: string, rows: readonly (readonly string[])[]): void {
    this.box.writeFile(path, rows.map((row) => `${row.join(':')}\n`).join(''));
  }

  #groups(change: (rows: string[][]) => string[][]): void {
    this.#write('/etc/group', change(this.rows('/etc/group')));
  }

  #gidOf(name: string): string | undefined {
    return this.rows('/etc/group').find(([group]) => group === name)?.[2];
  }

  #groupadd(name: string, argv: readonly string[]): FakeRan {
    if (this.#gidOf(name) !== undefined) return { code: 9, stderr: `group '${name}' already exists` };
    this.#groups((rows) => [...rows, [name, 'x', option(argv, '--gid') ?? '999', '']]);
    return {};
  }

  #groupdel(name: string): FakeRan {
    const gid = this.#gidOf(name);
    if (gid === undefined) return { code: 6, stderr: `group '${name}' does not exist` };
    if (this.rows('/etc/passwd').some((row) => row[3] === gid))
      return { code: 8, stderr: `cannot remove the primary group of a user: ${name}` };
    this.#groups((rows) => rows.filter(([group]) => group !== name));
    return {};
  }

  /** Only these groups besides the primary one, as -G of useradd(8) and usermod(8). */
  #join(user: string, names: string | undefined): FakeRan {
    if (names === undefined) return {};
    const wanted = members(names);
    const missing = wanted.find((one) => this.#gidOf(one) === undefined);
    if (missing !== undefined) return { code: 6, stderr: `group '${missing}' does not exist` };
    this.#groups((rows) =>
      rows.map(([group = '', x = '', gid = '', inside]) => {
        const others = members(inside).filter((one) => one !== user);
        return [group, x, gid, (wanted.includes(group) ? [...others, user].sort() : others).join(',')];
      }),
    );
    return {};
  }

  #missing(name: string): FakeRan | undefined {
    const there = this.rows('/etc/passwd').some(([user]) => user === name);
    return there ? undefined : { code: 6, stderr: `user '${name}' does not exist` };
  }

  #useradd(name: string, argv: readonly string[]): FakeRan {
    if (!this.#missing(name)) return { code: 9, stderr: `user '${name}' already exists` };
    const uid = option(argv, '--uid') ?? '1000';
    const given = option(argv, '--gid');
    if (given !== undefined && this.#gidOf(given) === undefined)
      return { code: 6, stderr: `group '${given}' does not exist` };
    if (given === undefined) {
      if (this.#gidOf(name) !== undefined) return { code: 9, stderr: `group ${name} exists` };
      this.#groups((rows) => [...rows, [name, 'x', uid, '']]);
    }
    const home = option(argv, '--home-dir') ?? `/home/${name}`;
    const gid = given === undefined ? uid : (this.#gidOf(given) ?? '');
    const rest = [option(argv, '--comment') ?? '', home, option(argv, '--shell') ?? '/bin/sh'];
    this.#write('/etc/passwd', [...this.rows('/etc/passwd'), [name, 'x', uid, gid, ...rest]]);
    this.passwords.set(name, option(argv, '--password') ?? '!');
    if (argv.includes('--create-home') && this.box.stat(home) === undefined) {
      this.box.makeFolder(home, 0o700);
      this.box.run(['chown', `${uid}:${gid}`, home]);
    }
    return this.#join(name, option(argv, '--groups'));
  }

  #usermod(name: string, argv: readonly string[]): FakeRan {
    const missing = this.#missing(name);
    if (missing) return missing;
    const given = option(argv, '--gid');
    if (given !== undefined && this.#gidOf(given) === undefined)
      return { code: 6, stderr: `group '${given}' does not exist` };
    const rows = this.rows('/etc/passwd').map((row) => {
      const [user = '', x = '', uid = '', was = '', comment = '', home = '', shell = ''] = row;
      if (user !== name) return row;
      const gid = given === undefined ? was : (this.#gidOf(given) ?? '');
      const words = [option(argv, '--comment') ?? comment, option(argv, '--home') ?? home];
      return [user, x, option(argv, '--uid') ?? uid, gid, ...words, option(argv, '--shell') ?? shell];
    });
    this.#write('/etc/passwd', rows);
    const password = option(argv, '--password');
    if (password !== undefined) this.passwords.set(name, password);
    return this.#join(name, option(argv, '--groups'));
  }

  /** Removes a user, and the group with its name unless it is another user's primary group. */
  #userdel(name: string): FakeRan {
    const missing = this.#missing(name);
    if (missing) return missing;
    this.#join(name, '');
    this.#write(
      '/etc/passwd',
      this.rows('/etc/passwd').filter(([user]) => user !== name),
    );
    const gid = this.#gidOf(name);
    if (!this.rows('/etc/passwd').some((row) => row[3] === gid))
      this.#groups((rows) => rows.filter(([group]) => group !== name));
    this.passwords.delete(name);
    return {};
  }
}
