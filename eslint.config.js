import { readFileSync } from 'node:fs';
import stylistic from '@stylistic/eslint-plugin';
import tseslint from 'typescript-eslint';

// Imports point down this list, never up (DESIGN "Folders"). A row's own folders may import each other.
const layers = [
  ['cli'],
  ['app'],
  ['simulator', 'http', 'voice', 'call', 'doctor'],
  ['graph', 'records'],
  ['media', 'routing', 'registrar', 'policy', 'state'],
  ['sip', 'sdp', 'observe'],
  ['config', 'util', 'errors'],
];
const folders = layers.flat().filter((name) => name !== 'errors');

/** Files that a rule does not hold for yet, or at all (test/unit/house/imports.test.ts). */
const exceptions = JSON.parse(readFileSync(new URL('./test/unit/house/exceptions.json', import.meta.url), 'utf8'));

/** Folders that a folder may not import: those above it, and the two that stand apart. */
function forbidden(name) {
  // The stand-ins judge the service: they share with it what reads SIP and what opens sockets, and no more (lib/simulator/README.md).
  if (name === 'simulator') return [...layers.flat().filter((other) => !['simulator', 'util', 'errors'].includes(other)), 'sipserver/(?!parser/|transport/)'];
  if (name === 'sipserver') return layers.flat().filter((other) => other !== 'util');
  const level = layers.findIndex((row) => row.includes(name));
  const above = layers.slice(0, level).flat();
  // The embedded SIP server is started by app and its command; the simulator may use its parser and transports, sip/ its parser.
  const server = ['cli', 'app'].includes(name) ? [] : name === 'sip' ? ['sipserver/(?!parser/)'] : ['sipserver'];
  // The stand-ins are used by the command line and by tests only.
  const standIns = ['call', 'voice', 'http'].includes(name) ? ['simulator'] : [];
  return [...above, ...server, ...standIns];
}

/** Matches an import of one of these folders of lib/ from inside another. */
function ban(names, up = '(^|/)\\.\\./') {
  return { regex: `${up}(${names.map((n) => (n.includes('/') ? n : `${n}(/|\\.js$)`)).join('|')})`, message: 'imports point down the layers only' };
}

/** Node.js takes a time over 2^31 - 1 ms for 1 ms. */
const computedTime = {
  selector: 'CallExpression[callee.name=/^set(Timeout|Interval)$/][arguments.1.type=/^(Binary|Call|Conditional)Expression$/]',
  message: 'a computed time goes through after() of lib/util, which keeps it within what a timer can wait',
};

/** A private constructor has no other form. */
const privateByWord = {
  selector: ':matches(PropertyDefinition, MethodDefinition[kind!="constructor"], TSParameterProperty)[accessibility="private"]',
  message: 'what is private has a #name',
};

/** How a file is written; `eslint --fix` is the formatter. What stands on one line, and what is broken, is its author's. */
const format = {
  'arrow-parens': 'error',
  'arrow-spacing': 'error',
  'block-spacing': 'error',
  'brace-style': ['error', '1tbs', { allowSingleLine: true }],
  'comma-dangle': ['error', 'always-multiline'],
  'comma-spacing': 'error',
  'comma-style': 'error',
  'computed-property-spacing': 'error',
  'dot-location': ['error', 'property'],
  'eol-last': 'error',
  'function-call-spacing': 'error',
  indent: ['error', 2, { SwitchCase: 1 }],
  'key-spacing': 'error',
  'keyword-spacing': 'error',
  'member-delimiter-style': ['error', { singleline: { delimiter: 'semi', requireLast: false }, multilineDetection: 'brackets' }],
  'new-parens': 'error',
  'no-extra-semi': 'error',
  'no-floating-decimal': 'error',
  'no-multi-spaces': ['error', { ignoreEOLComments: true }],
  'no-multiple-empty-lines': ['error', { max: 1, maxBOF: 0, maxEOF: 0 }],
  'no-tabs': 'error',
  'no-trailing-spaces': 'error',
  'no-whitespace-before-property': 'error',
  'operator-linebreak': ['error', 'before', { overrides: { '=': 'after' } }],
  'padded-blocks': ['error', 'never'],
  quotes: ['error', 'single', { avoidEscape: true, allowTemplateLiterals: 'avoidEscape' }],
  'rest-spread-spacing': 'error',
  semi: 'error',
  'semi-spacing': 'error',
  'space-before-blocks': 'error',
  'space-before-function-paren': ['error', { anonymous: 'always', named: 'never', asyncArrow: 'always' }],
  'space-infix-ops': 'error',
  'space-unary-ops': 'error',
  'spaced-comment': 'error',
  'switch-colon-spacing': 'error',
  'template-curly-spacing': 'error',
  'type-annotation-spacing': 'error',
  'type-generic-spacing': 'error',
  'type-named-tuple-spacing': 'error',
};

/** Characters in a line, those with a text apart. */
const longest = (code) => ({ '@stylistic/max-len': ['error', { code, ignoreUrls: true, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }] });

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.tap/'] },
  {
    files: ['**/*.{ts,js}'],
    plugins: { '@stylistic': stylistic },
    rules: Object.fromEntries(Object.entries(format).map(([rule, options]) => [`@stylistic/${rule}`, options])),
  },
  { files: ['lib/**/*.ts', 'scripts/**/*.{ts,js}', '*.js'], rules: longest(200) },
  { files: ['test/**/*.ts'], rules: longest(250) },
  ...tseslint.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked.map((config) => ({ ...config, files: ['lib/**/*.ts'] })),
  {
    files: ['lib/**/*.ts'],
    rules: {
      // A method is async where its interface gives a promise, and throws into that.
      '@typescript-eslint/require-await': 'off',
      // Methods of drachtio-srf and of the wrapped console are called with their `this` given.
      '@typescript-eslint/unbound-method': 'off',
      // What bencode and sdp-transform give is text or a number where it is written out.
      '@typescript-eslint/no-base-to-string': 'off',
    },
  },
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  // Folders inside simulator/ are called as some of lib/ are: how far up an import goes tells which is meant.
  ...[['lib/simulator/*.ts', '^\\.\\./'], ['lib/simulator/*/*.ts', '^\\.\\./\\.\\./']].map(([file, up]) => ({
    files: [file],
    rules: { 'no-restricted-imports': ['error', { patterns: [ban(forbidden('simulator'), up)] }] },
  })),
  ...[...folders.filter((name) => name !== 'simulator'), 'sipserver'].map((name) => ({
    files: [`lib/${name}/**/*.ts`],
    rules: { 'no-restricted-imports': ['error', { patterns: [ban(forbidden(name))] }] },
  })).filter(({ rules }) => !rules['no-restricted-imports'][1].patterns[0].regex.includes('()')),
  {
    // House rule 5: no process.env outside config/.
    files: ['lib/**/*.ts'],
    ignores: ['lib/config/**'],
    rules: { 'no-restricted-properties': ['error', { object: 'process', property: 'env', message: 'process.env is read in lib/config only' }] },
  },
  { files: ['lib/**/*.ts'], ignores: ['lib/simulator/**', 'lib/util/after.ts'], rules: { 'no-restricted-syntax': ['error', computedTime] } },
  { files: ['lib/**/*.ts'], ignores: ['lib/{media,simulator,sipserver}/**', 'lib/util/after.ts'], rules: { 'no-restricted-syntax': ['error', computedTime, privateByWord] } },
  { files: ['lib/**/*.ts'], rules: { '@typescript-eslint/no-non-null-assertion': 'error' } },
  { files: ['lib/**/*.ts'], rules: { 'max-params': ['error', 5], complexity: ['error', 20] } },
  ...Object.entries(exceptions.parameters).map(([file, { most }]) => ({ files: [file], rules: { 'max-params': ['error', most] } })),
  ...Object.entries(exceptions.complexity).map(([file, { most }]) => ({ files: [file], rules: { complexity: ['error', most] } })),
  { files: ['lib/cli/**/*.ts', 'scripts/**/*.ts', 'test/**/*.ts'], rules: { 'no-console': 'off' } },
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/no-floating-promises': 'off', '@typescript-eslint/no-misused-promises': 'off' } },
);
