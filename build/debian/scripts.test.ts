import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failure } from '../../sdk/lib/errors.ts';
import { sha256 } from '../../sdk/lib/files.ts';
import { checkScripts, parsePolicy, readPolicy, type ScriptVerdict, unknownScripts } from './scripts.ts';

const scripted = (name: string, scripts: Record<string, string>) => ({ name, version: '1', scripts });
const verdict = (owner: string, script: ScriptVerdict['script'], text: string): ScriptVerdict => ({
  sha256: sha256(text),
  package: owner,
  script,
  verdict: 'covered',
  by: 'sysusers',
});

const packages = [
  scripted('b', { postinst: 'echo b', prerm: 'rm', postrm: 'rm -r' }),
  scripted('a', { preinst: 'echo a', triggers: '# nothing\nactivate-noawait ldconfig\n', config: 'db_go' }),
  scripted('c', { triggers: 'interest-noawait /usr/lib\n' }),
];
const policy = [
  verdict('b', 'postinst', 'echo b'),
  verdict('a', 'preinst', 'echo a'),
  verdict('a', 'config', 'db_go'),
  verdict('c', 'triggers', 'interest-noawait /usr/lib\n'),
];

describe('checkScripts', () => {
  test('returns the verdicts that apply', () => {
    const idle = verdict('gone', 'postinst', 'echo gone');
    assert.deepEqual(checkScripts(packages, [...policy, idle], 'p'), policy);
  });

  test('needs no verdict on removal scripts and on triggers of other packages', () => {
    assert.deepEqual(
      unknownScripts(packages, []).map((item) => `${item.package} ${item.script}`),
      ['a preinst', 'a config', 'b postinst', 'c triggers'],
    );
  });

  test('a changed script is unknown again; the error names it and shows the first one', () => {
    const changed = [scripted('b', { postinst: 'echo changed\nmore' }), ...packages.slice(1)];
    assert.throws(
      () => checkScripts(changed, policy.slice(0, 3), 'packages/scripts.json'),
      (error) => {
        assert.ok(error instanceof Failure);
        assert.equal(error.where, 'packages/scripts.json');
        assert.match(error.message, /^2 maintainer scripts have no verdict/);
        assert.match(error.message, new RegExp(`b 1 postinst ${sha256('echo changed\nmore')}`));
        assert.match(error.message, /--- b postinst ---\necho changed\nmore\n---$/);
        assert.match(error.message, /c 1 triggers/);
        return true;
      },
    );
  });

  test('a verdict on the same text of another package or kind does not count', () => {
    const same = [scripted('x', { postinst: 'echo b' }), scripted('b', { preinst: 'echo b' })];
    assert.equal(unknownScripts(same, policy).length, 2);
  });

  test('a long script is shortened in the error', () => {
    assert.throws(
      () => checkScripts([scripted('x', { postinst: 'y'.repeat(100_000) })], [], 'p'),
      (error) => {
        return (
          error instanceof Failure &&
          error.message.length < 10_000 &&
          error.message.includes('100000 characters')
        );
      },
    );
  });
});

test('a policy with a merge conflict, or cut short, names the line', () => {
  const text = `[\n${JSON.stringify(policy[0])}\n]\n`;
  assert.equal(readPolicy(text, 'p').length, 1);
  assert.throws(() => readPolicy(text.replace('[\n', '[\n<<<<<<< ours\n'), 'p'), {
    exitCode: 2,
    message: /merge conflict/,
    where: 'p:2',
  });
  assert.throws(() => readPolicy(text.slice(0, -3), 'p'), { exitCode: 2, message: /is not JSON/ });
});

describe('parsePolicy', () => {
  test('accepts a correct policy', () =>
    assert.deepEqual(parsePolicy(JSON.parse(JSON.stringify(policy)), 'p'), policy));

  const [good] = policy;
  const wrong: [name: string, value: unknown, what: RegExp][] = [
    ['no list', {}, /must be array/],
    ['no object', [null], /must be object/],
    ['a short digest', [{ ...good, sha256: 'ab' }], /must match pattern .*\{64\}/],
    ['an unknown kind', [{ ...good, script: 'install' }], /must be one of preinst, /],
    ['an unfilled template', [{ ...good, verdict: '' }], /must be one of covered, /],
    ['no reason', [{ ...good, by: '' }], /must not be empty/],
    [
      'the same script twice',
      [good, { ...good, verdict: 'irrelevant' }],
      /second verdict on the script of \$\[0\]/,
    ],
  ];
  for (const [name, value, what] of wrong) {
    test(`refuses ${name}`, () => assert.throws(() => parsePolicy(value, 'p'), what));
  }
  test('names the place of the fault', () => {
    assert.throws(
      () => parsePolicy([good, { ...good, script: 'x' }], 'p.json'),
      (error) => error instanceof Failure && error.where === 'p.json: $[1].script',
    );
  });
});
