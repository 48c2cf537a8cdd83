import { WrongUsage } from '../install/terminal.ts';
import { type Box, BoxError, folderOf, mustRun } from '../io/box.ts';

/** Records of the old provisioning. A new one writes them again, and must not find old ones. */
const OWN = '/var/lib/draisine';
/** File systems that are empty after each restart. */
const FLEETING = new Set(['tmpfs', 'devtmpfs', 'proc', 'sysfs', 'cgroup2', 'devpts']);

/**
 * Characters that are not possible: the initrd's script reads lines, and find(1) takes a path for a pattern.
 */
const UNWRITABLE = /[\p{Cc}*?[\]\\]|^\s|\s$/u;

/**
 * The path of `--keep` in the form that the initrd understands: no slash twice or at the end.
 * @throws WrongUsage for a path that cannot stay, or that does not fit into a line of /.draisine-reset
 */
export function keptPath(text: string): string {
  const refuse = (why: string): never => {
    throw new WrongUsage(`--keep ${JSON.stringify(text)}: ${why}`);
  };
  if (!text.startsWith('/')) refuse('name the absolute path, such as /var/lib/containers');
  if (UNWRITABLE.test(text))
    refuse('a kept path must have no control characters, none of * ? [ ] \\ and no space at its end');
  const parts = text.split('/').filter((part) => part !== '');
  if (parts.includes('.') || parts.includes('..')) refuse('write the path without . and ..');
  const path = `/${parts.join('/')}`;
  if (path === '/') refuse('this would keep everything');
  if (path === '/etc') refuse('the machine config makes a new /etc: name a path in it, such as /etc/ssh');
  if (/^\/(\.draisine|\.etc)-/.test(path) || `${path}/`.startsWith(`${OWN}/`) || OWN.startsWith(`${path}/`))
    refuse(`${path} has records of the old provisioning: name another path`);
  return path;
}

/** Whether a path is on the state partition and needs a line to stay. Pools stay in any case. */
export function onStatePartition(box: Box, path: string): boolean {
  if (box.lstat(path) === undefined)
    throw new BoxError('this path does not exist', { where: path, hint: 'correct the path' });
  const folder = folderOf(path);
  const real = mustRun(box, `cannot find ${folder}`, ['readlink', '-f', folder]).replace(/\n$/, '');
  if (real !== folder) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    throw new BoxError('the path goes through a link', {
      where: path,
      hint: `name ${real === '/' ? '' : real}/${name}`,
    });
  }
  const command = ['findmnt', '--noheadings', '--output', 'FSTYPE,TARGET', '--target', path];
  const told = mustRun(box, `cannot find the file system of ${path}`, command);
  const [, type = '', target = ''] = /^(\S+)\s+(.*)$/.exec(told.trim()) ?? [];
  if (FLEETING.has(type))
    throw new BoxError(`${target} is empty after each restart`, { where: path, hint: 'copy it elsewhere' });
  return target === '/' || target === '/etc' || isOwnFolder(box, path);
}

/** Whether the state partition's folder of the same path is mounted there, as by home.mount. */
function isOwnFolder(box: Box, path: string): boolean {
  const look = (at: string): string[] => {
    const columns = 'MAJ:MIN,FSROOT,TARGET';
    const command = ['findmnt', '--noheadings', '--raw', '--output', columns, '--target', at];
    return mustRun(box, `cannot find the file system of ${at}`, command).trim().split(/\s+/);
  };
  const [device, folder, target] = look(path);
  return folder === target && device === look('/')[0];
}
