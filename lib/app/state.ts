import { DialogIndex } from '../call/features/dialogIndex.js';
import type { CallRules } from '../call/context.js';
import { CallHistory } from '../call/history.js';
import { Aliases, mostAliases } from '../call/aliases.js';
import { CallTable } from '../call/table.js';
import { UserNames } from '../call/userNames.js';
import { stateFile } from '../config/files.js';
import type { Config } from '../config/types.js';
import { Guard } from '../registrar/guard.js';
import { KnownPlaces } from '../registrar/knownPlaces.js';
import { Remembered } from '../state/index.js';
import { readJournal } from '../state/journal.js';
import { News } from './events.js';
import { openFiles, type Files } from './files.js';
import { openShared, type SharedState } from './shared.js';
import type { Start } from './start.js';

/** An account is known where it has shown its password for so long; a phone may be off over a holiday. */
const knownPlaceMs = 7 * 24 * 3600 * 1000;
/** What is known of a pair of number and user is known for so long after the last news of it; then Meta is asked again. */
const knownPermissionMs = 90 * 24 * 3600 * 1000;
/** A voicemail is known for so long: Meta tells of it again for 7 days. */
const knownVoicemailMs = 10 * 24 * 3600 * 1000;
/** Voicemails that are known to have been told of. */
const mostVoicemails = 10_000;
/** Users who are to be called back are given up before (queues.*.callBack.keepFor); and so many of them are kept. */
const knownCallBackMs = 8 * 24 * 3600 * 1000;
const mostCallBacks = 10_000;
/** Bans, and devices of users at a node, that all nodes know; a device registers anew before. */
const knownBanMs = 30 * 24 * 3600 * 1000;
const mostBans = 20_000;
const knownDeviceMs = 7 * 24 * 3600 * 1000;
const mostDevices = 200_000;
/** Pairs of number and user; the one without news for longest goes first. */
const mostPairs = 100_000;
/** Which names are one user is known for so long after a call; numbers are given to others some time. */
const knownNameMs = 90 * 24 * 3600 * 1000;
/** An alias is never given to another. */
const knownAliasMs = 1000 * 365 * 24 * 3600 * 1000;

/** What needs no network: the rules, what is written, what is remembered, and who is on the telephone. */
export interface State {
  /** The rules in force; a reload replaces them as a whole. */
  rules: CallRules;
  readonly files: Files;
  readonly table: CallTable;
  readonly dialogs: DialogIndex;
  readonly history: CallHistory;
  readonly userNames: UserNames;
  /** Digits of users without a number. */
  readonly aliases: Aliases;
  /** A line for each pair of number and user (lib/graph/permission). */
  readonly permissions: Remembered;
  /** A line for each voicemail that Meta has told of. */
  readonly voicemails: Remembered;
  /** A line for each user who is to be called back (lib/voice/queue). */
  readonly callBacks: Remembered;
  readonly places: KnownPlaces;
  readonly guard: Guard;
  /** A line for each user's devices at a node (lib/registrar/elsewhere.ts). */
  readonly devices: Remembered;
  /** What all nodes keep together; null: there is this one alone. */
  readonly shared: SharedState | null;
  /** What happens, for those outside. */
  readonly news: News;
}

function noAliases(): Remembered {
  return new Remembered({ prefix: 'a', capacity: mostAliases, lifetime: knownAliasMs, now: Date.now });
}

/** The users behind aliases, as the state file has them, which is left as it is; none without one. @throws WabError FILE_UNREADABLE */
export async function readAliases({ state }: Pick<Config, 'state'>): Promise<Pick<Aliases, 'isAlias' | 'userOf'>> {
  const remembered = noAliases();
  const file = stateFile(state.url);
  if (file !== null) await readJournal(file, remembered);
  return new Aliases(remembered);
}

/**
 * The first step of the start.
 * @throws WabError CONFIG_INVALID with every path to the telephone network, or why a file cannot be used
 */
export async function openState(start: Start, rules: CallRules): Promise<State> {
  const { config, log, undo } = start;
  const places = new Remembered({ prefix: 'k', capacity: 200_000, lifetime: knownPlaceMs, now: Date.now });
  const names = new Remembered({ prefix: 'u', capacity: 100_000, lifetime: knownNameMs, now: Date.now });
  const permissions = new Remembered({ prefix: 'g', capacity: mostPairs, lifetime: knownPermissionMs, now: Date.now });
  const voicemails = new Remembered({ prefix: 'v', capacity: mostVoicemails, lifetime: knownVoicemailMs, now: Date.now });
  const aliases = noAliases();
  const bans = new Remembered({ prefix: 'n', capacity: mostBans, lifetime: knownBanMs, now: Date.now });
  const devices = new Remembered({ prefix: 'r', capacity: mostDevices, lifetime: knownDeviceMs, now: Date.now });
  const callBacks = new Remembered({ prefix: 'b', capacity: mostCallBacks, lifetime: knownCallBackMs, now: Date.now });
  const files = await openFiles(config, log, [places, names, permissions, voicemails, aliases, callBacks], undo);
  const table = new CallTable();
  const knownPlaces = new KnownPlaces(places);
  let inForce = (): Config => rules.config;
  const shared = await openShared(start, () => inForce(), [places, names, permissions, voicemails, aliases, bans, devices]);
  const state: State = {
    rules, shared, files, table, dialogs: new DialogIndex(), history: new CallHistory(table, () => state.rules), userNames: new UserNames(names), aliases: new Aliases(aliases),
    places: knownPlaces, permissions, voicemails, callBacks,
    guard: new Guard(() => state.rules.config.limits.ban, knownPlaces, shared === null ? null : bans), devices, news: new News(config, table, () => state.rules.config, log),
  };
  inForce = () => state.rules.config;
  table.watch({ added: (call) => files.live.begin(call), removed: (call) => state.history.ended(call) });
  return state;
}
