import { describeFailure } from '../../../sdk/lib/errors.ts';
import { setQuiet } from '../../../sdk/lib/log.ts';
import { setChannel } from './edit.ts';

/**
 * A program for files.test.ts: puts a release on alpha. The arguments are the folder, the keys and the
 * release.
 */
setQuiet(true);
const [folder = '', keys = '', release = ''] = process.argv.slice(2);
try {
  await setChannel({ folder, keys }, 'alpha', release);
  process.stdout.write('published');
} catch (error) {
  process.stdout.write(describeFailure(error));
}
