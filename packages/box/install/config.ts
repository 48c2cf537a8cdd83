import { type Box, BoxError, mustRun, removeTree, whyFailed } from '../io/box.ts';

const FOLDER = '/run/draisine/config-check';
/** Hides this system's kernel command line from Ignition, because it may name another config. */
const CHECK = `mount --bind /dev/null /proc/cmdline && exec /usr/libexec/ignition --platform=file --stage=fetch-offline \
--root=/ --config-cache=cache --neednet=net --state-file=state --log-to-stdout`;

/** Checks a machine config with Ignition itself. Returns the path of the file. */
export function checkConfig(box: Box, path: string): string {
  const found = box.stat(path);
  if (found?.type !== 'file' || found.size === 0) throw new BoxError(`there is no machine config ${path}`);
  const file = mustRun(box, `cannot find ${path}`, ['readlink', '-f', path]).trim();
  const faults = configFaults(box, file);
  if (faults === undefined) return file;
  throw new BoxError(`the machine config ${file} is not valid:\n${faults.join('\n')}`);
}

/** Ignition's errors for a machine config, one a line; undefined if it is valid. `file`: not a link. */
export function configFaults(box: Box, file: string): string[] | undefined {
  box.makeFolder(FOLDER);
  const ran = box.run(['unshare', '--mount', 'sh', '-c', CHECK], {
    env: { IGNITION_CONFIG_FILE: file },
    cwd: FOLDER,
  });
  removeTree(box, FOLDER);
  if (ran.code === 0) return undefined;
  const faults = `${ran.stdout}\n${ran.stderr}`
    .split('\n')
    .flatMap((line) => /error at .*$/.exec(line)?.[0] ?? /(?<=Ignition failed: ).*$/.exec(line)?.[0] ?? []);
  return faults.length > 0 ? faults : [whyFailed(['the check by Ignition'], ran)];
}
