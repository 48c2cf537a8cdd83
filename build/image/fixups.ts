import { badInput } from '../../sdk/lib/errors.ts';
import type { Entry, Tree } from '../tree/entry.ts';
import { type Generated, generatedFile, generatedLink } from './generated.ts';

/** Numbers of capabilities (linux/capability.h). */
const CAPABILITIES = { cap_setgid: 6, cap_setuid: 7 } as const;

/** `security.capability`, permitted and effective: struct vfs_cap_data, revision 2, little-endian (linux/capability.h). */
function capabilityXattr(name: keyof typeof CAPABILITIES): string {
  const data = Buffer.alloc(20);
  data.writeUInt32LE(0x0200_0001, 0);
  data.writeUInt32LE(1 << CAPABILITIES[name], 4);
  return data.toString('base64');
}

/** What maintainer scripts would have done, as data. Each piece is a pure function from data to entries. */
export interface Fixups {
  /** Unit → target that wants it, as links below usr/lib/systemd/system. */
  readonly enabledUnits: readonly { readonly unit: string; readonly wantedBy: string }[];
  readonly unitAliases: Readonly<Record<string, string>>;
  /** Symlinks that update-alternatives or a postinst would have made: path → target. */
  readonly links: Readonly<Record<string, string>>;
  /** Owner and mode that a postinst would have given a packaged file. */
  readonly modes: readonly {
    readonly path: string;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
    /** One capability the program has, whoever runs it, as `setcap cap_…=ep` gives it. */
    readonly capability?: keyof typeof CAPABILITIES;
  }[];
  /** A file (or a folder's single file) that belongs elsewhere: from → to. */
  readonly moves: Readonly<Record<string, string>>;
}

/** Links for enabled units; a unit that is not in the tree is an error, since it would be a dead link. */
export function unitLinks(tree: Tree, { enabledUnits, unitAliases }: Fixups): Generated[] {
  const folder = 'usr/lib/systemd/system';
  const present = new Set(tree.entries.map(({ path }) => path));
  const check = (unit: string) => {
    if (present.has(`${folder}/${unit}`)) return;
    throw badInput(`no unit ${unit} in the image`, {
      where: 'enabled units of the image',
      hint: 'include its package, or do not enable it',
    });
  };
  const wants = enabledUnits.map(({ unit, wantedBy }) => {
    const file = unit.replace(/@[^.]+\./, '@.'); // an instance is a link to its template
    check(file);
    return generatedLink(`${folder}/${wantedBy}.wants/${unit}`, `../${file}`, 'units');
  });
  const aliases = Object.entries(unitAliases).map(([alias, unit]) => {
    check(unit);
    return generatedLink(`${folder}/${alias}`, unit, 'units');
  });
  return [...wants, ...aliases];
}

/** Symbolic links, path → target. */
export function links(data: Readonly<Record<string, string>>): Generated[] {
  return Object.entries(data).map(([path, target]) => generatedLink(path, target, 'links'));
}

/** Applies `moves` and `modes`; a path that is not there is an error, since the entry does nothing. */
export function adjust(tree: Tree, { modes, moves }: Pick<Fixups, 'modes' | 'moves'>): Tree {
  const left = new Set([...modes.map(({ path }) => path), ...Object.keys(moves)]);
  const entries = tree.entries.map((entry): Entry => {
    const to = moves[entry.path];
    if (to !== undefined) {
      left.delete(entry.path);
      return { ...entry, path: to };
    }
    const wanted = modes.find(({ path }) => path === entry.path);
    if (!wanted) return entry;
    left.delete(entry.path);
    const { mode, uid, gid, capability } = wanted;
    if (capability === undefined) return { ...entry, mode, uid, gid };
    const xattrs = { ...entry.xattrs, 'security.capability': capabilityXattr(capability) };
    return { ...entry, mode, uid, gid, xattrs };
  });
  if (left.size > 0) {
    throw badInput(`no such file in the image: ${[...left].join(', ')}`, {
      where: 'fix-ups (modes, moves) of the image',
      hint: 'remove the entries, or include the package',
    });
  }
  return { entries };
}

/** All CA certificates of ca-certificates in one file, in path order (update-ca-certificates(8)). */
export function caBundle(tree: Tree, read: (path: string) => string): Generated {
  const paths = tree.entries.flatMap(({ path, type }) =>
    type === 'file' && /^usr\/share\/ca-certificates\/.*\.crt$/.test(path) ? [path] : [],
  );
  if (paths.length === 0)
    throw badInput('no CA certificates in the image', { hint: 'include ca-certificates' });
  const bundle = paths.map((path) => `${read(path).trimEnd()}\n`).join('');
  return generatedFile('etc/ssl/certs/ca-certificates.crt', bundle, 'ca-bundle');
}

/** The system's name for people. */
export function prettyName({ version, image }: { version: string; image: string }): string {
  return `Draisine ${version} (${image})`;
}

/** os-release(5). */
export function osRelease(identity: { name: string; version: string; image: string }): string {
  return [
    'NAME="Draisine"',
    'ID=draisine',
    'ID_LIKE="debian flatcar"',
    `PRETTY_NAME="${prettyName(identity)}"`,
    `VERSION=${identity.version}`,
    `VERSION_ID=${identity.version}`,
    `IMAGE_ID=${identity.image}`,
    `IMAGE_VERSION=${identity.version}`,
    'DEFAULT_HOSTNAME=draisine',
    '',
  ].join('\n');
}

/**
 * What the packages have in /var, as tmpfiles.d(5) lines: /var is made at run time, on the state partition.
 * What a package's tmpfiles.d makes already is left to it: of two lines for a path the first file's wins, and an age to
 * clean up by, as /var/tmp has, would be lost.
 */
export function varAsTmpfiles(tree: Tree, read: (path: string) => string): Generated {
  const declared = new Set(
    tree.entries
      .filter(({ path, type }) => type === 'file' && /^usr\/lib\/tmpfiles\.d\/[^/]+\.conf$/.test(path))
      .flatMap(({ path }) => [...read(path).matchAll(/^[dDqQvLfC]\S*\s+\/(\S+)/gm)].map(([, made]) => made)),
  );
  const lines: string[] = [];
  for (const entry of tree.entries) {
    if (!entry.path.startsWith('var/') || declared.has(entry.path)) continue;
    const mode = entry.mode.toString(8).padStart(4, '0');
    if (entry.type === 'dir') lines.push(`d /${entry.path} ${mode} ${entry.uid} ${entry.gid} -`);
    else if (entry.type === 'symlink') lines.push(`L /${entry.path} - - - - ${entry.target}`);
    else
      throw badInput(`/${entry.path} is a file in /var, which the image does not carry`, {
        where: entry.origin,
        hint: 'trim it, or make it by a tmpfiles.d entry',
      });
  }
  return generatedFile(
    'usr/lib/tmpfiles.d/draisine-var.conf',
    lines.map((line) => `${line}\n`).join(''),
    'var',
  );
}

/** Where the vendor's /etc lies: below the machine's own, which is an overlay over it. */
export const VENDOR_ETC = 'usr/share/draisine/etc';

/** The tree of /usr alone: /etc moves to VENDOR_ETC, /var is left to tmpfiles.d, empty folders of / go. */
export function onlyUsr(tree: Tree): Tree {
  const entries: Entry[] = [];
  for (const entry of tree.entries) {
    if (entry.path === 'usr' || entry.path.startsWith('usr/')) entries.push(entry);
    else if (entry.path === 'etc' || entry.path.startsWith('etc/')) {
      const path = `${VENDOR_ETC}${entry.path.slice('etc'.length)}`;
      entries.push(
        entry.type === 'hardlink'
          ? { ...entry, path, target: `${VENDOR_ETC}${entry.target.slice('etc'.length)}` }
          : { ...entry, path },
      );
    } else if (entry.type === 'file' || entry.type === 'hardlink') {
      if (!entry.path.startsWith('var/'))
        throw badInput(`/${entry.path} lies outside /usr and /etc`, { where: entry.origin, hint: 'trim it' });
    }
  }
  return { entries };
}
