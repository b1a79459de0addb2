const compiled = !import.meta.url.endsWith('.ts');

/** Options with which another Node.js process runs what runnable() gives, from the tree's own folder; what else this process was started with is no concern of its. */
export const nodeOptions: readonly string[] = compiled ? [] : ['--import=./test/helpers/loader.js'];

/**
 * A module of ours as another Node.js process can run it. `scripts/test` runs the tests as JavaScript, in a copy of the tree where each source
 * has its compiled file beside it and the loader does nothing; by `node --import=./test/helpers/loader.js FILE` they run from the sources.
 */
export function runnable(source: string): string {
  return compiled ? source.replace(/\.ts$/, '.js') : source;
}
