import type { MessagePort } from 'node:worker_threads';
import type { AgentCall, AgentRate, DialectName, TransferNews } from './dialects/types.js';

/** Where an agent is, and how it is reached. Secrets are in it. */
export interface AgentPlace {
  readonly url: string;
  readonly dialect: DialectName;
  readonly sampleRate: AgentRate;
  /** Header fields of the request that opens the socket. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: { readonly verify: boolean; readonly ca: string | null; readonly clientCert: string | null; readonly clientKey: string | null };
}

/** Where the audio of a conversation goes and comes from: lib/media/relay/agent/words.ts. */
export interface AudioLink {
  readonly port: MessagePort;
  /** Counts the frames that were taken from it, one Int32. */
  readonly read: SharedArrayBuffer;
}

/** From the service to the thread of sockets. */
export type ToSockets =
  /** Opens a socket, within `patience` milliseconds; nothing is said on it before 'begin'. */
  | { readonly op: 'dial'; readonly id: number; readonly place: AgentPlace; readonly call: AgentCall; readonly link: AudioLink; readonly patience: number }
  | { readonly op: 'begin'; readonly id: number }
  | { readonly op: 'digit'; readonly id: number; readonly digit: string; readonly durationMs: number }
  | { readonly op: 'transferring'; readonly id: number; readonly news: TransferNews }
  /** The conversation is over, for this reason. */
  | { readonly op: 'end'; readonly id: number; readonly reason: string }
  | { readonly op: 'stop' };

/** Why no socket was opened: the far end's answer, by its HTTP status, or none in time, or something else. */
export interface SocketRefusal {
  readonly kind: 'http' | 'late' | 'failed';
  /** 0 where there is none. */
  readonly status: number;
  /** For a person; no secret in it. */
  readonly text: string;
}

/** What became of the frames of a conversation that were lost. */
export interface LostFrames {
  /** The agent did not read them in time. */
  readonly toAgent: number;
  /** It said more than a minute ahead. */
  readonly fromAgent: number;
}

/** From the thread of sockets. */
export type FromSockets =
  | { readonly op: 'open'; readonly id: number }
  | { readonly op: 'refused'; readonly id: number; readonly refusal: SocketRefusal }
  | { readonly op: 'digit'; readonly id: number; readonly digit: string }
  | { readonly op: 'transfer'; readonly id: number; readonly peer: string; readonly user: string }
  /** The agent hung up; `text`: what it said to that. */
  | { readonly op: 'hungUp'; readonly id: number; readonly text: string | null }
  /** The socket was lost, and is being opened again; then it was, or it could not be: the conversation is over. */
  | { readonly op: 'lost'; readonly id: number; readonly text: string }
  | { readonly op: 'again'; readonly id: number }
  | { readonly op: 'gone'; readonly id: number; readonly text: string }
  /** The first thing of its kind that cannot be read. */
  | { readonly op: 'fault'; readonly id: number; readonly text: string }
  /** The last word on a conversation. */
  | { readonly op: 'closed'; readonly id: number; readonly lost: LostFrames }
  /** An exception of ours. */
  | { readonly op: 'bug'; readonly text: string };
