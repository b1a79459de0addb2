import type { Config, PeerConfig } from '../config/types.js';
import type { PermissionGate } from '../graph/permission/gate.js';
import type { PermissionLedger } from '../graph/permission/ledger.js';
import type { MediaEngine } from '../media/types.js';
import type { Logger } from '../observe/logger.js';
import type { Leak } from '../policy/index.js';
import type { CallerFacts, CallerVerdict, Denial, PeerMessageFacts, TargetFacts, TargetVerdict, Verdict } from '../policy/types.js';
import type { Authenticator } from '../registrar/authenticator.js';
import type { Registrar } from '../registrar/registrar.js';
import type { RouteDecision, RouteRequest, RouteTarget } from '../routing/types.js';
import type { DigestServer } from '../sip/digestServer.js';
import type { SipStack } from '../sip/drachtio.js';
import type { Source } from '../sip/source.js';
import type { SipUri } from '../sip/uri.js';
import type { AgentThread } from '../voice/agents/thread.js';
import type { Lookups } from '../voice/lookup.js';
import type { CallBacks } from '../voice/queue/callBacks.js';
import type { Queues } from '../voice/queue/queues.js';
import type { Message } from '../voice/voicemail.js';
import type { JudgedFacts } from './watch/auditRecord.js';
import type { Aliases } from './aliases.js';
import type { Call } from './call.js';
import type { DialogIndex } from './features/dialogIndex.js';
import type { Rests } from './hunt/rests.js';
import type { CallRecorders, CallRecordings } from './recording.js';
import type { BusinessLimits } from './limits.js';
import type { Shared } from './sharedPlaces.js';
import type { Located } from './peer/locate.js';
import type { CallRecord } from './record.js';
import type { CallTable } from './table.js';
import type { UserNames } from './userNames.js';

/** The rules of one configuration, compiled; replaced as a whole when it is reloaded. */
export interface CallRules {
  readonly config: Config;
  readonly judgeSource: (address: string, protocol: string, certified?: string | null) => Source;
  readonly selectRoute: (request: RouteRequest) => RouteDecision;
  readonly judgeTarget: (facts: TargetFacts) => TargetVerdict;
  readonly judgeCaller: (facts: CallerFacts) => CallerVerdict;
  /** Why a peer that wants to pick a call up brings the telephone network into it; null when it does not. */
  readonly judgeNewcomer: (facts: CallerFacts) => Denial | null;
  /** Signs in a peer's message that it went to the telephone network. */
  readonly judgeLeak: (facts: PeerMessageFacts) => readonly Leak[];
  /** Whether a host in a SIP URI is ourselves. */
  readonly isOwnHost: (host: string) => boolean;
  /** Why a Contact that a user registers is not to be used; null when it may be. */
  readonly judgeContact: (uri: SipUri, user: string) => string | null;
}

/** Policy as it stands now, and who is told of its verdicts. */
export interface Judging {
  readonly rules: () => CallRules;
  /** Every verdict on a real call. `enforced`, of a sign of a leak: whether it ends the call. */
  readonly onVerdict: (call: Call, facts: JudgedFacts, verdict: Verdict, enforced?: boolean) => void;
}

/** What every call begins and ends with. */
export interface Beginning {
  readonly rules: () => CallRules;
  readonly table: CallTable;
  readonly log: Logger;
  readonly onEnded: (call: Call, record: CallRecord) => void;
  /** The keyed hash by which a user is found in records that hide the number; null: there is no key. */
  readonly keyUser: (user: string) => string | null;
}

/** Where peers are, and what calls find out about that. */
export interface PeerReach {
  /** Where an allowed target is now, and whether its peer is out: users without a device are not reachable. */
  readonly locate: (target: RouteTarget, peer: PeerConfig) => Located;
  /** Wakes the apps of a target that sleep, and gives them time to register, unless another device of its user is there; resolves at the latest when `over` does: the search was given up. */
  readonly wake: (call: Call, target: RouteTarget, peer: PeerConfig, over: Promise<void>) => Promise<void>;
  /** A peer answered an INVITE in any way (`failure` null), or nobody was there. */
  readonly heardPeer: (peer: string, failure: string | null) => void;
  /** Asks a peer that is out whether it is back; what it gives tells, later, whether it has said nothing at all since it went out. */
  readonly askAgain: (peer: string) => () => boolean;
  readonly registrar: Pick<Registrar, 'forget'>;
}

/** A media leg for a peer. */
export interface PeerMedia {
  /** Why no media is sent to where a peer's description wants it; null when nothing speaks against it. `networks`: those the peer is kept to. */
  readonly objectsToPlace: (networks: readonly string[], address: string, port: number) => string | null;
}

/** Calling peers: a route's targets, and those of transfers. */
export interface Hunting extends Judging, PeerReach, PeerMedia {
  readonly table: CallTable;
  /** What all nodes keep together. */
  readonly shared: Shared;
  /** Peer dialogs that can be picked up. */
  readonly dialogs: DialogIndex;
  readonly pickStack: () => SipStack;
  /** Digits of users without a number, for peers that know no others. */
  readonly aliases: Aliases;
  /** Who has asked to be left alone for a while. */
  readonly rests: Rests;
  /** Opens sockets of voice agents. */
  readonly agents: Pick<AgentThread, 'dial'>;
  /** Null: nothing is recorded. */
  readonly recordings: CallRecordings | null;
  readonly recorders: CallRecorders;
}

/** A peer takes a call over that another has. */
export interface PickingUp extends Judging, PeerMedia {
  readonly table: CallTable;
  readonly shared: Shared;
  readonly dialogs: DialogIndex;
  readonly log: Logger;
}

/** The Meta leg of either direction. */
export interface MetaReach {
  /** host[:port] of our Contact towards Meta, of a dialog on this connection. */
  readonly metaContactHost: (stack: SipStack, number: string | null) => string;
  /** Which names are one WhatsApp user. */
  readonly userNames: UserNames;
}

export interface UserInitiated extends Beginning, Hunting, MetaReach {
  readonly media: MediaEngine;
  /** Challenges Meta. */
  readonly digest: DigestServer;
  readonly queues: Queues;
  /** Asks whom a route's calls are to ring. */
  readonly lookups: Lookups;
  readonly callBacks: CallBacks;
  /** A message was left and is written. */
  readonly onMessage: (message: Message) => void;
}

export interface BusinessInitiated extends Beginning, Hunting, MetaReach {
  readonly media: MediaEngine;
  /** Where requests to Meta are sent when not where its name points: a URI, or null. */
  readonly metaProxy: () => string | null;
  /** Places of business-initiated calls. */
  readonly limits: BusinessLimits;
  /** Whether users have permitted calls. */
  readonly permissions: { readonly gate: PermissionGate; readonly ledger: PermissionLedger };
}

/** Finding out who sent a request. */
export interface Identifying {
  readonly rules: () => CallRules;
  /** Challenges peers and phones that must show who they are. */
  readonly authenticator: Authenticator;
  readonly registrar: Pick<Registrar, 'peerAt' | 'serves' | 'account'>;
}

/** All of it: what the router hands on, to each what it needs. */
export interface CallContext extends UserInitiated, BusinessInitiated, Identifying {
  readonly registrar: Registrar;
  /** The SIP server that was started says, in X-WAB-Certified-As, whom a certificate makes known, and lets nobody else say it. */
  readonly certifies: boolean;
  /** A request was refused because nobody known sent it. `protocol`: 'udp' is nobody's fault, as the address may be forged. */
  readonly onStranger: (address: string, protocol: string) => void;
}
