import { describeFailure } from '../../../sdk/lib/errors.ts';
import { setQuiet } from '../../../sdk/lib/log.ts';
import { setChannel } from './edit.ts';

/** For channel.test.ts: puts a release on alpha, with the folder, the keys and the release given as arguments. */
setQuiet(true);
const [folder = '', keys = '', release = ''] = process.argv.slice(2);
try {
  await setChannel({ folder, keys }, 'alpha', release);
  process.stdout.write('published');
} catch (error) {
  process.stdout.write(describeFailure(error));
}
