import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Entry } from '../base/report.ts';

const DRAISINE = fileURLToPath(new URL('../../draisine', import.meta.url));
const INDEX = new URL('../index.ts', import.meta.url).href;

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'draisine-verbs-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function place(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

function ignition(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(DRAISINE, ['ignition', ...args], {
    encoding: 'utf8',
    cwd: folder,
  });
  return { status, stdout, stderr };
}

describe('validate', () => {
  test('exit 0 and a verdict of a valid config', () => {
    const { status, stdout } = ignition(
      'validate',
      '--json',
      place('a.ign', '{"ignition":{"version":"3.3.0"}}'),
    );
    assert.deepEqual([status, JSON.parse(stdout)], [0, { valid: true, entries: [] }]);
  });
  test('exit 1 and places of an invalid one', () => {
    const { status, stdout } = ignition(
      'validate',
      place('b.ign', '{"ignition":{"version":"3.3.0"},\n"storage":{"files":[{"path":"a"}]}}'),
    );
    assert.equal(status, 1);
    assert.match(
      stdout,
      /b\.ign:2:29: error: path not absolute; .*\(\$\.storage\.files\.0\.path\)\n.*invalid, 1 error, 0 warnings\n$/,
    );
  });
  test('a partition that each provisioning would make again has a warning, in every form of config', () => {
    const disks = {
      disks: [
        { device: '/dev/a', partitions: [{ label: 'again' }, { label: 'numbered', number: 7 }] },
        { device: '/dev/b', wipeTable: true, partitions: [{ label: 'new' }] },
      ],
    };
    const config = { ignition: { version: '3.3.0' }, storage: disks };
    const where =
      /: warning: a partition without a number: .*\(\$\.storage\.disks\.0\.partitions\.0\.label\)\n/;
    const json = ignition('validate', place('again.ign', JSON.stringify(config, null, 1)));
    assert.equal(json.status, 0);
    assert.match(json.stdout, new RegExp(`^.*again\\.ign:11:\\d+${where.source}.*valid, 1 warning\\n$`));
    const ts = ignition('compile', place('again.mts', `export default ${JSON.stringify(config)}`));
    assert.equal(ts.status, 0, ts.stderr);
    assert.match(ts.stderr, new RegExp(`^.*again\\.mts${where.source}$`));
    const yaml = `variant: fcos
version: 1.4.0
storage:
  disks:
    - device: /dev/a
      partitions:
        - label: again
        - label: numbered
          number: 7
`;
    const butane = ignition('compile', place('again.bu', yaml));
    assert.equal(butane.status, 0, butane.stderr);
    assert.match(butane.stderr, new RegExp(`^.*again\\.bu:7:\\d+${where.source}$`));
  });
  test('exit 2 for a missing file, a folder, no file', () => {
    assert.equal(ignition('validate', join(folder, 'none')).status, 2);
    assert.equal(ignition('validate', folder).status, 2);
    assert.equal(ignition('validate').status, 2);
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', `"$@" <${folder}`, 'sh', DRAISINE, 'ignition', 'validate', '-'],
      { encoding: 'utf8' },
    );
    assert.equal(status, 2);
    assert.match(stderr, /^error: cannot read the config \(EISDIR\)\n {2}at: {3}standard input\n/);
  });
  test('--strict: warnings at their places, the verdict unchanged', () => {
    const text =
      '{"ignition":{"version":"3.3.0"},"systemd":{"units":[{"name":"a.service",\n"contents":"[Service]\\nExecStart=/usr/bin/true\\nFoo=1\\n"}]}}';
    const { status, stdout } = ignition('validate', '--strict', '--json', place('s.ign', text));
    const { valid, entries } = JSON.parse(stdout) as { valid: boolean; entries: Entry[] };
    assert.deepEqual([status, valid, entries.length], [0, true, 1]);
    const [{ kind, path, line, column, message } = {}] = entries as [Partial<Entry>?];
    assert.deepEqual([kind, path, line, column], ['warning', '$.systemd.units.0.contents', 2, 12]);
    assert.match(message ?? '', /^systemd, line 3: Unknown key 'Foo'/);
    assert.equal(ignition('validate', '--strict', '--image', 'none', join(folder, 's.ign')).status, 2);
  });
  test('the examples of the images, strictly', () => {
    const images = join(dirname(DRAISINE), 'images');
    const examples = readdirSync(images, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\/examples\/[^/]+\.ts$/.test(name),
    );
    assert.ok(examples.length >= 2);
    for (const example of examples) {
      const { status, stdout } = ignition('validate', '--strict', '--json', join(images, example));
      assert.deepEqual([status, JSON.parse(stdout)], [0, { valid: true, entries: [] }], example);
    }
  });
  test('Butane, at its own lines', () => {
    const { status, stdout } = ignition(
      'validate',
      '--json',
      place('a.bu', 'variant: fcos\nversion: 1.4.0\nstorage:\n  files: [{path: a}]\n'),
    );
    const { valid, entries } = JSON.parse(stdout) as { valid: boolean; entries: { line: number }[] };
    assert.deepEqual([status, valid, entries[0]?.line], [1, false, 4]);
  });
});

describe('compile', () => {
  const source = `import { machine, secret } from '${INDEX}';\nexport default machine({ hostname: 'a', files: { '/k': { contents: secret({ command: ['printf', 'hunter2'] }) } } });\n`;

  test('TypeScript with a secret: only the owner may read the result', () => {
    const output = join(folder, 'out.ign');
    const { status, stdout, stderr } = ignition('compile', place('m.mts', source), '-o', output);
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
    assert.match(readFileSync(output, 'utf8'), /"data:,hunter2"/);
    assert.equal(statSync(output).mode & 0o777, 0o600);
  });
  test('TypeScript outside any package, with any file name', () => {
    const { status, stdout, stderr } = ignition('compile', place('outside.ts', source));
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /"data:,hunter2"/);
  });
  test('TypeScript outside any package that imports another file by name', () => {
    place(
      'boxes.ts',
      `import { machine } from '${INDEX}';\nexport const box = (hostname: string) => machine({ hostname });\n`,
    );
    const file = place('box.ts', "import { box } from './boxes.ts';\nexport default box('one');\n");
    const { status, stdout, stderr } = ignition('compile', file);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /"data:,one/);
  });
  test('Butane from standard input, with a folder of files', () => {
    place('motd', 'hello');
    const text = 'variant: fcos\nversion: 1.4.0\nstorage:\n  files: [{path: /a, contents: {local: motd}}]\n';
    for (const verb of ['compile', 'validate']) {
      const { status, stderr } = spawnSync(DRAISINE, ['ignition', verb, '-', '--files-dir', folder], {
        input: text,
        encoding: 'utf8',
        cwd: tmpdir(),
      });
      assert.deepEqual([status, stderr], [0, '']);
    }
  });
  test('twice gives the same bytes', () => {
    const file = place('m.mts', source);
    assert.equal(ignition('compile', file).stdout, ignition('compile', file).stdout);
  });
  test('a fault gives one clear error, and no file is written', () => {
    const cases: [string, string, RegExp][] = [
      [
        'fail.mts',
        source.replace("'printf', 'hunter2'", "'false'"),
        /^error: secret command failed \(exit status 1\)\n {2}at: {3}\S+fail\.mts: secret command false\n$/,
      ],
      [
        'bad.mts',
        source.replace("hostname: 'a'", "hostname: 'a_'"),
        /^error: not a host name: "a_"\n {2}at: {3}\S+bad\.mts:2:\d+\n {2}hint: /,
      ],
      ['none.mts', 'export const x = 1;\n', /^error: config exports no machine\n/],
      [
        'syntax.mts',
        'export default {\n  a: 1,,\n',
        /^error: config does not load: Expected identifier but found ","\n {2}at: {3}\S+syntax\.mts:2:8\n$/,
      ],
      [
        'typo.mts',
        source.replace('hostname:', 'hostnme:'),
        /^error: unknown option "hostnme"\n {2}at: {3}\S+typo\.mts:2:\d+: machine\n {2}hint: did you mean hostname/,
      ],
      [
        'throws.mts',
        "\nexport default () => { throw new Error('no disk'); };\n",
        /^error: config does not load: no disk\n {2}at: {3}\S+throws\.mts:2:\d+\n$/,
      ],
      [
        'later.mts',
        "export default Promise.reject('later');\n",
        /^error: config does not load: later\n {2}at: {3}\S+later\.mts\n$/,
      ],
      [
        'big.mts',
        "export default { ignition: { version: '3.3.0' }, n: 1n };\n",
        /^error: config does not load: .*BigInt\n {2}at: .*\n$/,
      ],
      [
        'circle.mts',
        "const a = { ignition: { version: '3.3.0' } };\na.a = [a];\nexport default a;\n",
        /^error: a part of the config contains itself\n {2}at: {3}\S+circle\.mts\n$/,
      ],
      [
        'source.mts',
        source.replace(/secret\(\{.*?\}\)/, 'secret(undefined)'),
        /^error: a secret without a source\n {2}at: {3}\S+source\.mts:2:\d+\n {2}hint: .*\n$/,
      ],
      [
        'type.mts',
        source.replace("hostname: 'a'", "containers: { a: { image: 'a.example/b:1', command: [1] } }"),
        /^error: config does not load: .* is not a function\n {2}at: .*\n {2}hint: a value may have the wrong type/,
      ],
      ['x.json', '{}', /^error: nothing to compile/],
      ['none.bu', 'variant: openshift\n', /none\.bu:1:10: error: unknown variant/],
    ];
    for (const [name, text, pattern] of cases) {
      const output = join(folder, `${name}.out`);
      const { status, stdout, stderr } = ignition('compile', place(name, text), '-o', output);
      assert.match(stderr, pattern);
      assert.ok(status === 1 || status === 2);
      assert.equal(stdout, '');
      assert.equal(existsSync(output), false);
    }
  });
});

describe('translate', () => {
  const v2 = '{"ignition":{"version":"2.3.0"},"storage":{"files":[{"filesystem":"d","path":"/a"}]}}';
  test('with the path of a filesystem', () => {
    const { status, stdout } = ignition('translate', place('v2.json', v2), '--filesystem', 'd=/srv');
    assert.equal(status, 0);
    assert.match(stdout, /"path": "\/srv\/a"/);
  });
  test('refuses without it, and bad options', () => {
    assert.equal(ignition('translate', place('v2.json', v2)).status, 1);
    assert.equal(ignition('translate', place('v2.json', v2), '--filesystem', 'd').status, 2);
  });
});
