/** What an agent is told of the call it is in. */
export interface AgentCall {
  /** Our id of the call, a UUID. */
  readonly id: string;
  /** The conversation by this socket, 32 hexadecimal digits; another after a reconnection. */
  readonly stream: string;
  readonly number: string;
  readonly user: string;
  readonly wacid: string | null;
  readonly payload: string | null;
  readonly direction: 'user-initiated' | 'business-initiated';
  /** The socket before this one was lost amid the conversation. */
  readonly reconnected: boolean;
  /** It only listens, to both sides: each frame has the samples of the user and of who talks with them in turn. */
  readonly listens: boolean;
}

/** What an agent says, read. `fault`: it cannot be; for a person. */
export type AgentWord =
  /** `rate`: samples a second, one of those that Rates takes. */
  | { readonly kind: 'audio'; readonly pcm: Int16Array; readonly rate: number }
  | { readonly kind: 'mark'; readonly name: string }
  | { readonly kind: 'clear' }
  | { readonly kind: 'digit'; readonly digit: string }
  | { readonly kind: 'hangup' }
  | { readonly kind: 'transfer'; readonly peer: string; readonly user: string }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'fault'; readonly why: string };

/** How far a transfer of an agent's is, as a SIP status; `code`: the rule by which it does not begin. */
export interface TransferNews { readonly status: number; readonly text: string; readonly code: string | null }

/** A message of a socket: text, or octets. */
export type Message = string | Buffer;

/** How one conversation is written and read. Pure but for counters. */
export interface Dialect {
  /** What is said first. */
  begin(): readonly Message[];
  /** 20 ms of the user's; for who only listens of both sides. */
  audio(pcm: Int16Array): readonly Message[];
  /** A digit of the user's. */
  digit(digit: string, durationMs: number): Message;
  /** A mark of the agent's was reached; `cleared`: or was in what it has cleared. */
  mark(name: string, cleared: boolean): Message;
  /** How far a transfer of its is; null: this dialect has no word for that. */
  transferring(news: TransferNews): Message | null;
  /** What is said last; null: nothing is. */
  stop(reason: string): Message | null;
  read(data: Buffer, binary: boolean): AgentWord;
}

export type DialectName = 'twilio' | 'jambonz' | 'raw';

export type AgentRate = 8000 | 16_000 | 24_000;
