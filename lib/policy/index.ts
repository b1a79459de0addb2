export { explainCaller, judgeCaller } from './caller.js';
export { compilePolicy } from './compile.js';
export type { CompiledPolicy } from './compile.js';
export { objectsToContact } from './contact.js';
export { judgeLeak } from './leak.js';
export type { Leak } from './leak.js';
export { explainTarget, judgeTarget } from './target.js';
export type * from './types.js';
