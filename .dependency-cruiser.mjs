/*
 * Who may import whom, as data: `./draisine test --static imports` checks it (dependency-cruiser). Imports of types
 * count. Tests (*.test.ts) and their helpers (testing.ts) are free inside of their room.
 */

/** The rooms, and which other rooms each of them imports. */
const rooms = {
  sdk: [],
  build: ['sdk'],
  packages: ['build', 'sdk'],
  ignition: ['build', 'sdk'],
  images: ['ignition', 'packages', 'build/image/image.ts', 'sdk'],
  // The harness boots artifacts. What it needs of their making is in the faces named for it.
  'kola-tests': ['build/for-kola.ts', 'packages/for-kola.ts', 'sdk'],
};

/** Folders of a room in an order in which each imports only those before it. */
const layers = {
  build: [
    ...['graph', 'keys', 'net', 'release/format', 'release/trust', 'remote', 'tree', 'debian', 'fs'],
    ...['boot', 'media', 'image', 'product', 'release', 'cli'],
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

const ofLayers = Object.entries(layers).flatMap(([room, folders]) =>
  folders.slice(0, -1).map((folder, index) => {
    const above = folders.slice(index + 1).map((name) => `^${room}/${name}/`);
    const below = folders.slice(0, index + 1).map((name) => `^${room}/${name}/`);
    // A folder inside of this one that has a place of its own in the order.
    const inside = folders.filter((name) => name.startsWith(`${folder}/`)).map((name) => `^${room}/${name}/`);
    return {
      name: `folders-of-${room}`,
      comment: `A folder imports those before it: ${folders.join(', ')}.`,
      severity: 'error',
      from: { path: `^${room}/${folder}/`, pathNot: [NOT_TESTS, ...inside] },
      to: { path: above, pathNot: [NOT_TESTS, ...below] },
    };
  }),
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
