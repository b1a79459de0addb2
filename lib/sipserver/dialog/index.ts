/** Dialogs (RFC 3261 §12-13), reliable provisional responses (RFC 3262), session timers (RFC 4028). */
export { AcceptedInvite } from './accepted.js';
export { Dialog } from './dialog.js';
export type { DialogSeed, Role } from './dialog.js';
export { parseRAck, ReliableProvisionals } from './reliable.js';
export { DialogTable } from './table.js';
