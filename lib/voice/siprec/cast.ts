import { randomUUID } from 'node:crypto';
import { domainOf } from '../../config/domains.js';
import type { Bridge } from '../../call/bridge.js';
import type { Party } from '../../call/peer/connection.js';
import { escapeUser, parseNameAddr, parseUri } from '../../sip/uri.js';
import { bracketed } from '../../util/hostPort.js';
import { metadataOf } from './metadata.js';

/** Labels of the two streams (MediaFork). */
const labels = { user: '1', business: '2' } as const;

/** Somebody at the business, while they have the call. */
interface Stay { readonly id: string; readonly key: string; readonly aor: string; readonly name: string; readonly since: number; until: number | null }

/** A call that is transferred without end does not grow its metadata without end: the latest who have left stay in it. */
const mostGone = 16;

/** Who is in a call that is recorded, and who was: what its recorder is told of it. Ids stay theirs, whichever recorder has the call. */
export class Cast {
  readonly #bridge: Bridge;
  readonly #session = randomUUID();
  readonly #user = randomUUID();
  readonly #streams = { user: randomUUID(), business: randomUUID() };
  readonly #began = Date.now();
  #stays: Stay[] = [];

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  /** As it is now. `recordedSince`: when this recorder came, milliseconds since 1970. */
  metadata(recordedSince: number): string {
    const { call, manner, current, comfort } = this.#bridge;
    const { config } = this.#bridge.context.rules();
    const domain = domainOf(config, call.facts.number ?? '');
    this.#look(current?.party ?? null, domain);
    const { user, business } = this.#streams;
    const talks = current !== null && current.listens && comfort.waiting.length === 0;
    const there = this.#stays.at(-1);
    const number = call.facts.number === null ? [] : [aorOf(call.facts.number, domain)];
    return metadataOf({
      session: { id: this.#session, call: call.id, began: this.#began }, recordedSince,
      streams: [{ id: user, label: labels.user }, { id: business, label: labels.business }],
      participants: [
        {
          id: this.#user, aors: [aorOf(call.facts.user ?? 'anonymous', domain)], name: parseNameAddr(manner.from)?.displayName ?? null, since: this.#began, until: null,
          ...(talks ? { sends: [user], hears: [business] } : { sends: [], hears: [] }),
        },
        ...this.#stays.map((stay) => ({
          id: stay.id, aors: [...new Set([stay.aor, ...number])], name: stay.name, since: stay.since, until: stay.until,
          ...(talks && stay === there && stay.until === null ? { sends: [business], hears: [user] } : { sends: [], hears: [] }),
        })),
      ],
    });
  }

  /** Who has the call now. */
  #look(party: Party | null, domain: string): void {
    const there = this.#stays.at(-1);
    const key = party === null ? null : `${party.user}@${party.peer}`;
    if (there?.until === null && there.key === key) return;
    if (there?.until === null) there.until = Date.now();
    if (party === null || key === null) return;
    const host = parseUri(party.uri)?.host ?? domain;
    // A PBX may say no more of who calls than the business number.
    const nameless = party.user === '' || party.user === this.#bridge.call.facts.number;
    const aor = aorOf(party.user === '' ? party.peer : party.user, host);
    this.#stays = [...this.#stays.slice(-mostGone), { id: randomUUID(), key, aor, name: nameless ? party.peer : key, since: Date.now(), until: null }];
  }
}

function aorOf(user: string, host: string): string {
  return `sip:${escapeUser(user)}@${host.includes(':') && !host.startsWith('[') ? bracketed(host) : host}`;
}
