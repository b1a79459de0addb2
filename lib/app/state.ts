import { DialogIndex } from '../call/features/dialogIndex.js';
import type { CallRules } from '../call/context.js';
import { CallHistory } from '../call/history.js';
import { CallTable } from '../call/table.js';
import { UserNames } from '../call/userNames.js';
import { Guard } from '../registrar/guard.js';
import { KnownPlaces } from '../registrar/knownPlaces.js';
import { Remembered } from '../state/index.js';
import { openFiles, type Files } from './files.js';
import type { Start } from './start.js';

/** An account is known where it has shown its password for so long; a phone may be off over a holiday. */
const knownPlaceMs = 7 * 24 * 3600 * 1000;
/** Which names are one user is known for so long after a call; numbers are given to others some time. */
const knownNameMs = 90 * 24 * 3600 * 1000;

/** What needs no network: the rules, what is written, what is remembered, and who is on the telephone. */
export interface State {
  /** The rules in force; a reload replaces them as a whole. */
  rules: CallRules;
  readonly files: Files;
  readonly table: CallTable;
  readonly dialogs: DialogIndex;
  readonly history: CallHistory;
  readonly userNames: UserNames;
  readonly places: KnownPlaces;
  readonly guard: Guard;
}

/**
 * The first step of the start.
 * @throws WabError CONFIG_INVALID with every path to the telephone network, or why a file cannot be used
 */
export async function openState({ config, log, undo }: Start, rules: CallRules): Promise<State> {
  const places = new Remembered({ prefix: 'k', capacity: 200_000, lifetime: knownPlaceMs, now: Date.now });
  const names = new Remembered({ prefix: 'u', capacity: 100_000, lifetime: knownNameMs, now: Date.now });
  const files = await openFiles(config, log, [places, names], undo);
  const table = new CallTable();
  const knownPlaces = new KnownPlaces(places);
  const state: State = {
    rules, files, table, dialogs: new DialogIndex(), history: new CallHistory(table, () => state.rules), userNames: new UserNames(names), places: knownPlaces,
    guard: new Guard(() => state.rules.config.limits.ban, knownPlaces),
  };
  table.watch({ added: (call) => files.live.begin(call), removed: (call) => state.history.ended(call) });
  return state;
}
