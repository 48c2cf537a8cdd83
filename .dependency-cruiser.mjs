/*
 * Who may import whom, as data: `./draisine test --static imports` checks it (dependency-cruiser). Imports of types
 * count. Tests (*.test.ts) and their helpers (testing.ts) are free inside of their room.
 */

/** The rooms, and which other rooms each of them imports. */
const rooms = {
  sdk: [],
  build: ['sdk'],
  packages: ['build', 'sdk'],
  // A machine config checks what it writes for the box with the box's own readers.
  ignition: ['build', 'packages/box/settings', 'sdk'],
  images: ['ignition', 'packages', 'build/image/image.ts', 'sdk'],
  // The harness boots artifacts. What it needs of their making is in the faces named for it.
  'kola-tests': [
    ...['build/for-kola.ts', 'packages/for-kola.ts', 'packages/answers-for-kola.ts', 'packages/edits-for-kola.ts'],
    'sdk',
  ],
};

/** Folders of a room in an order in which each imports only those before it. */
const layers = {
  build: [
    ...['graph', 'keys', 'net', 'release/format', 'release/trust', 'remote', 'tree', 'debian', 'fs'],
    ...['boot', 'media', 'image', 'product', 'release', 'release/channel', 'cli'],
  ],
  // `.` is the files of the room itself.
  ignition: ['base', 'json', 'spec', 'check', 'sugar', 'v2', 'butane', 'strict', '.', 'compose', 'apply', 'cli', 'serve'],
  'packages/box': [
    ...['io', 'disk', 'trust', 'settings', 'zfs', 'install', 'replicate', 'update', 'delta', 'reset', 'trial', 'apply'],
    ...['notify', 'cli', 'simulate'],
  ],
  'kola-tests': ['harness', 'static', 'verdict', 'fixtures', 'sabotage', 'flows', 'tests', 'cli'],
  'kola-tests/harness': ['qemu', 'guest', 'machine', 'crash', 'report', 'run'],
};

const NOT_TESTS = '(\\.test|/testing)\\.ts$|/testing/';
const ROOMS = `^(${[...Object.keys(rooms), 'bench', 'draisine\\.ts'].join('|')})(/|$)`;

const ofRooms = Object.entries(rooms).map(([room, may]) => ({
  name: `imports-of-${room}`,
  comment: may.length === 0 ? 'It imports no other room.' : `Of other rooms it imports ${may.join(', ')}.`,
  severity: 'error',
  from: {
    path: `^${room}/`,
    // Machine configs as owners write them.
    ...(room === 'kola-tests' ? { pathNot: '^kola-tests/fixtures/machines/' } : {}),
  },
  to: {
    path: ROOMS,
    pathNot: [room, ...may].map((path) => (path.endsWith('.ts') ? `^${path}$` : `^${path}/`)),
  },
}));

/** The files of a folder, without those of the folders in it that have a place of their own in the order. */
function filesOf(room, folder, folders) {
  if (folder === '.') return `^${room}/[^/]+$`;
  const inside = folders.filter((name) => name.startsWith(`${folder}/`)).map((name) => name.slice(folder.length + 1));
  return `^${room}/${folder}/${inside.length > 0 ? `(?!(${inside.join('|')})/)` : ''}`;
}

const ofLayers = Object.entries(layers).flatMap(([room, folders]) =>
  folders.slice(0, -1).map((folder, index) => ({
    name: `folders-of-${room}`,
    comment: `A folder imports those before it: ${folders.join(', ')}.`,
    severity: 'error',
    from: { path: filesOf(room, folder, folders), pathNot: NOT_TESTS },
    to: {
      path: folders.slice(index + 1).map((name) => filesOf(room, name, folders)),
      pathNot: NOT_TESTS,
    },
  })),
);

export default {
  forbidden: [
    {
      name: 'no-circle',
      comment: 'No file imports itself through others. Move what both need into a file of its own.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'not-found',
      comment: 'What is imported is there, and package.json names it. QuickJS brings modules of its own.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^quickjs-(std|os)$' },
    },
    {
      name: 'machine-configs-as-owners-write-them',
      severity: 'error',
      from: { path: '^kola-tests/fixtures/machines/' },
      to: { path: ROOMS, pathNot: '^(kola-tests/fixtures/machines/|ignition/index\\.ts$)' },
    },
    { name: 'tests-are-not-imported', severity: 'error', from: {}, to: { path: '\\.test\\.ts$' } },
    ...ofRooms,
    ...ofLayers,
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(out|node_modules)/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
