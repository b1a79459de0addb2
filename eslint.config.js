import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

// Imports point down this list of layers, never up (shared design: "Folders").
// A folder may import from its own layer's other folders only where listed here.
const layers = [
  ['cli', 'main.ts'],
  ['simulator', 'http', 'call'],
  ['media', 'routing', 'policy', 'state'],
  ['sip', 'sdp', 'observe'],
  ['config', 'errors.ts'],
];

const zones = layers.flatMap((names, level) =>
  names.map((name) => ({
    target: `./lib/${name}`,
    from: layers.slice(0, level).flat().map((upper) => `./lib/${upper}`),
    message: `lib/${name} may not import from a layer above it`,
  })),
).filter((zone) => zone.from.length > 0).flatMap(({ target, from, message }) =>
  from.map((f) => ({ target, from: f, message })));

// The embedded SIP server stands alone; only main, its CLI command and the simulator start or use it.
const product = ['call', 'http', 'media', 'routing', 'policy', 'state', 'sip', 'sdp', 'observe', 'config', 'errors.ts', 'cli', 'main.ts', 'simulator'];
zones.push(
  ...product.map((name) => ({ target: './lib/sipserver', from: `./lib/${name}`, message: 'lib/sipserver imports nothing of the rest of lib/' })),
  ...['call', 'http', 'media', 'routing', 'policy', 'state', 'sip', 'sdp', 'observe', 'config', 'errors.ts']
    .map((name) => ({ target: `./lib/${name}`, from: './lib/sipserver', message: 'only main, cli and simulator may import lib/sipserver' })),
  ...['call', 'http'].map((name) => ({ target: `./lib/${name}`, from: './lib/simulator', message: 'only the CLI and tests may import lib/simulator' })),
);

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.tap/'] },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'eqeqeq': 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['lib/**/*.ts'],
    plugins: { 'import-x': importX },
    rules: {
      'import-x/no-restricted-paths': ['error', { zones }],
      'no-restricted-properties': 'off',
    },
  },
  {
    // House rule 5: no process.env outside config/.
    files: ['lib/**/*.ts'],
    ignores: ['lib/config/**'],
    rules: { 'no-restricted-properties': ['error', { object: 'process', property: 'env', message: 'process.env is read in lib/config only' }] },
  },
  { files: ['lib/cli/**/*.ts', 'scripts/**/*.ts', 'test/**/*.ts'], rules: { 'no-console': 'off' } },
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/no-floating-promises': 'off', '@typescript-eslint/no-misused-promises': 'off' } },
);
