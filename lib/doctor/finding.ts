/** What the doctor found at one place. */
export interface Finding {
  /** certificate, dns, meta, listen, drachtio, freeswitch, rtpengine, media, peer, file, state, number or sources. */
  readonly check: string;
  /** 'fail': calls will not work; 'warn': it may be meant so; 'ok'. */
  readonly level: 'ok' | 'warn' | 'fail';
  readonly text: string;
  /** What to do about it; null when there is nothing to do. */
  readonly todo: string | null;
}

export type Findings = readonly Finding[];

export function ok(check: string, text: string): Finding {
  return { check, level: 'ok', text, todo: null };
}

export function warn(check: string, text: string, todo: string): Finding {
  return { check, level: 'warn', text, todo };
}

export function fail(check: string, text: string, todo: string): Finding {
  return { check, level: 'fail', text, todo };
}

export { reasonOf } from '../config/judgement.js';
