/** A node while its lease holds: `epoch` is another one for each registration. */
export interface NodeId {
  readonly name: string;
  readonly epoch: string;
}

/** What a call takes of a limit: the first of `keys`, where those of all of them together are fewer than `limit`; Infinity: it is counted, and never refused. */
export interface Want {
  readonly keys: readonly [string, ...string[]];
  readonly limit: number;
  /** Milliseconds of a sliding window in which events are counted; null: places, which are held until they are given back. */
  readonly window: number | null;
  /** A limit that means each user, and not a sum: it is not divided among nodes that cannot reach one another. */
  readonly whole?: boolean;
}

/** An event of a sliding window, by a name that is its own. */
export interface CountedEvent {
  readonly key: string;
  readonly member: string;
  /** Milliseconds since it happened. */
  readonly age: number;
  readonly window: number;
}

/** Events that are to be counted, or not to be counted any more. */
export interface Corrections {
  readonly add: readonly CountedEvent[];
  readonly drop: readonly { readonly key: string; readonly member: string }[];
}

export interface Change extends Corrections {
  /** By how much a node's places are more, or fewer, by key. */
  readonly places: Readonly<Record<string, number>>;
  /** All events of before have been given: no call need wait for them any more. */
  readonly refilled: boolean;
}

export interface Registration extends Corrections {
  readonly node: NodeId;
  /** Its lease before, which ends; null: none. */
  readonly previous: string | null;
  /** Places that its calls have, by key: all of them. */
  readonly held: Readonly<Record<string, number>>;
  /** Nodes that it has seen last, itself among them; none where it has only begun. */
  readonly seen: readonly string[];
  /** Process of the server that it knows; null: none yet. */
  readonly run: string | null;
  /** It has events of before to give to another process: calls wait until they are in. */
  readonly refill: boolean;
}

export interface Registered {
  /** Another process holds the name and has not begun later than this one: nothing was registered. */
  readonly twin: boolean;
  /** Nodes whose lease holds. */
  readonly nodes: readonly string[];
  /** Process of the server: another one may have forgotten things. */
  readonly run: string;
}

export interface Renewal {
  readonly node: NodeId;
  /** Keys of places and of events, of which the counts are wanted. */
  readonly places: readonly string[];
  readonly events: readonly { readonly key: string; readonly window: number }[];
}

export type Renewed =
  | { readonly kind: 'lapsed' }
  | {
    readonly kind: 'renewed'; readonly nodes: readonly string[];
    /** Their epochs. */
    readonly epochs: readonly string[];
    /** Not every node that may have calls has registered yet. */
    readonly settling: boolean;
    /** Of all nodes together. */
    readonly places: Readonly<Record<string, number>>; readonly events: Readonly<Record<string, number>>;
  };

export type TakeReply =
  /** The lease is over, or another's: nothing was taken. */
  | { readonly kind: 'lapsed' }
  /** Not every node that may have calls has registered yet: nothing was taken. */
  | { readonly kind: 'settling' }
  /** `index`: of the first want that cannot be met; nothing was taken. `freeAt`: of events, when one more will fit, milliseconds since 1970 by the store's clock. */
  | { readonly kind: 'refused'; readonly index: number; readonly freeAt: number | null }
  | { readonly kind: 'taken' };

/**
 * What the nodes share. Each operation is done as a whole or not at all, in the order in which one node asked. Each rejects where nobody can tell
 * whether it was done: that is for the caller to mend by registering anew.
 */
export interface SharedStore {
  register(registration: Registration): Promise<Registered>;
  renew(renewal: Renewal): Promise<Renewed>;
  take(node: NodeId, member: string, wants: readonly Want[]): Promise<TakeReply>;
  /** False: the lease is over; events are corrected all the same. */
  adjust(node: NodeId, change: Change): Promise<boolean>;
  /** The node goes, and has no calls any more. */
  leave(node: NodeId): Promise<void>;
}
