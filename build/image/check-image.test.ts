import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imageNames, readImage } from '../product/images.ts';
import { checkImage } from './check-image.ts';

test('the images of this checkout pass the check', async () => {
  for (const name of imageNames()) assert.equal((await readImage(name)).name, name);
});

test('an error names each wrong field and its path', async () => {
  const n100 = await readImage('n100');
  const [oci] = n100.testImages;
  const cases: [unknown, RegExp][] = [
    [undefined, /does not export an image/],
    [null, /\$ must be an object, not null/],
    [42, /\$ must be an object, not 42/],
    [{}, /\$\.name must be a name of .*, not missing/],
    [{ ...n100, name: 'other' }, /\$\.name is "other", but its folder is n100/],
    [{ ...n100, name: '../n100' }, /\$\.name must be a name/],
    [{ ...n100, cmdline: 'quiet' }, /\$\.cmdline must be a list, not "quiet"/],
    [
      { ...n100, initrd: { ...n100.initrd, level: 20 } },
      /\$\.initrd\.level must be a whole number from 1 to 19/,
    ],
    [{ ...n100, menuSeconds: '2' }, /\$\.menuSeconds must be a whole number/],
    [{ ...n100, compression: 'xz' }, /\$\.compression must be one of lz4, zstd, not "xz"/],
    [{ ...n100, kernel: { ...n100.kernel, modules: 'some' } }, /\$\.kernel\.modules must be a list/],
    [{ ...n100, trims: [{ reason: 'x', paths: [], exept: [] }] }, /\$\.trims\[0\]\.exept is not a field/],
    [{ ...n100, fixups: { ...n100.fixups, links: { a: 1 } } }, /\$\.fixups\.links\["a"\] must be a text/],
    [{ ...n100, testImages: [{ ...oci, name: '../../evil' }] }, /\$\.testImages\[0\]\.name must be a name/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => checkImage(value, 'n100'), {
      name: 'Failure',
      exitCode: 2,
      message,
      where: 'images/n100/image.ts',
    });
  }
});
