/** How to undo what was begun, in the order in which it was. */
export type Undo = (() => Promise<void> | void)[];
