export { HandOn } from './handOn.js';
export { NodeNames } from './names.js';
export type { NodeRules } from './names.js';
