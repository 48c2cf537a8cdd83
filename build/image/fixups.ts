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

/** The effects of maintainer scripts, as data. Each part is made by a pure function from data to entries. */
export interface Fixups {
  /** Unit → target that wants it, as links below usr/lib/systemd/system. */
  readonly enabledUnits: readonly { readonly unit: string; readonly wantedBy: string }[];
  readonly unitAliases: Readonly<Record<string, string>>;
  /** Symlinks that update-alternatives or a postinst would make: path → target. */
  readonly links: Readonly<Record<string, string>>;
  /** Owner and mode that a postinst would give to a packaged file. */
  readonly modes: readonly {
    readonly path: string;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
    /** A capability that the program has for every caller (`setcap cap_…=ep`). */
    readonly capability?: keyof typeof CAPABILITIES;
  }[];
  /** Files that belong elsewhere: from → to. */
  readonly moves: Readonly<Record<string, string>>;
}

/** Links for enabled units. A unit that is not in the tree is an error, because its link would lead nowhere. */
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

/** Applies `moves` and `modes`. A path that is not in the tree is an error, because its entry has no effect. */
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
 * The packages' folders and links in /var, as tmpfiles.d(5) lines: /var is made at run time, on the state partition.
 * Paths that a package's own tmpfiles.d makes are left out. Of two lines for one path, the first file's line wins, and the
 * package's line may have an age for the clean-up, e.g. that of /var/tmp.
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
      throw badInput(`/${entry.path} is a file in /var, and an image has no /var`, {
        where: entry.origin,
        hint: 'trim it, or make it with a tmpfiles.d entry',
      });
  }
  return generatedFile(
    'usr/lib/tmpfiles.d/draisine-var.conf',
    lines.map((line) => `${line}\n`).join(''),
    'var',
  );
}

/** The folder of the image's /etc. It is the lower layer of the machine's /etc, which is an overlay. */
export const VENDOR_ETC = 'usr/share/draisine/etc';

/** The tree of /usr alone. /etc moves to VENDOR_ETC, tmpfiles.d makes /var, and empty folders of / are left out. */
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
