// Where calls of users can be sent to, as the file has it: routes, closed, unanswered, menus, queues.
import type { Config, RouteConfig } from './types.js';

/** A place of the file that says where a call goes. */
export type DestinationInFile = Pick<RouteConfig, 'to' | 'strategy' | 'ringTimeout' | 'menu' | 'queue' | 'voicemail' | 'play' | 'status'>;

type Target = RouteConfig['to'][number];

export type Destination =
  | { readonly kind: 'ring'; readonly to: readonly Target[]; readonly strategy: RouteConfig['strategy']; readonly ringTimeout: number }
  | { readonly kind: 'menu' | 'queue' | 'voicemail'; readonly name: string }
  | { readonly kind: 'play'; readonly file: string }
  | { readonly kind: 'refuse'; readonly status: number };

/** What a place of the file means; null: nothing. Of several keys, which the file may not have, the first. */
export function destinationOf({ to, strategy, ringTimeout, menu, queue, voicemail, play, status }: DestinationInFile): Destination | null {
  if (to.length > 0) return { kind: 'ring', to, strategy, ringTimeout };
  if (menu !== null) return { kind: 'menu', name: menu };
  if (queue !== null) return { kind: 'queue', name: queue };
  if (voicemail !== null) return { kind: 'voicemail', name: voicemail };
  if (play !== null) return { kind: 'play', file: play };
  return status === null ? null : { kind: 'refuse', status };
}

/** The same of a key that may be null. */
export function orNowhere(place: DestinationInFile | null): Destination | null {
  return place === null ? null : destinationOf(place);
}

/** The keys of a place that say where a call goes. */
export function keysOf(place: DestinationInFile): readonly string[] {
  const { to, menu, queue, voicemail, play, status } = place;
  return Object.entries({ to: to.length > 0 ? to : null, menu, queue, voicemail, play, status }).flatMap(([key, value]) => (value === null ? [] : [key]));
}

/** Something that a call of a route can get to. */
export interface Place {
  readonly destination: Destination;
  /** Key path of where it stands, such as `menus.main.keys.1`. */
  readonly path: string;
  /** How a call gets there, in words: "outside hours office", "menu main", "key 1". */
  readonly steps: readonly string[];
}

type Exits = readonly { readonly key: string; readonly step: string; readonly place: DestinationInFile | null }[];

/** Where the way of a call may begin. */
interface Start {
  readonly place: DestinationInFile | null;
  readonly path: string;
  readonly steps: readonly string[];
}

type Places = Pick<Config, 'routes' | 'menus' | 'queues'>;

/** Where calls of the route `routes[index]` begin: at a time when it is open, or closed, or at any. */
function startsOf({ routes }: Pick<Places, 'routes'>, index: number, open: boolean | null): Start[] {
  const route = routes[index];
  if (route === undefined) return [];
  const at = `routes[${index}]`;
  return [
    ...open === false ? [] : [{ place: route, path: at, steps: [] }],
    ...route.hours === null || open === true ? [] : [{ place: route.closed, path: `${at}.closed`, steps: [`outside hours ${route.hours}`] }],
    { place: route.unanswered, path: `${at}.unanswered`, steps: ['unanswered'] },
  ];
}

/** Everything that a call of the route `routes[index]` can get to, each menu and queue entered once: the first way to it. */
export function reachable(config: Places, index: number, open: boolean | null = null): Place[] {
  const found: Place[] = [];
  const entered = new Set<string>();
  const visit = ({ place, path, steps }: Start): void => {
    const destination = orNowhere(place);
    if (destination === null) return;
    found.push({ destination, path, steps });
    if (destination.kind !== 'menu' && destination.kind !== 'queue') return;
    const { kind, name } = destination;
    const at = `${kind}s.${name}`;
    if (entered.has(at)) return;
    entered.add(at);
    const inside = [...steps, `${kind} ${name}`];
    const queue = kind === 'queue' ? queueOf(config, name) : null;
    if (queue !== null) found.push({ destination: { kind: 'ring', to: queue.to, strategy: 'failover', ringTimeout: queue.ringTimeout }, path: at, steps: inside });
    for (const { key, step, place: exit } of kind === 'menu' ? menuExits(config, name) : queueExits(config, name)) visit({ place: exit, path: `${at}.${key}`, steps: [...inside, step] });
  };
  for (const start of startsOf(config, index, open)) visit(start);
  return found;
}

function queueOf({ queues }: Pick<Config, 'queues'>, name: string): Config['queues'][string] | null {
  return Object.hasOwn(queues, name) ? queues[name] ?? null : null;
}

function menuExits({ menus }: Pick<Config, 'menus'>, name: string): Exits {
  const menu = Object.hasOwn(menus, name) ? menus[name] : undefined;
  if (menu === undefined) return [];
  return [...keyExits(menu.keys), { key: 'otherwise', step: 'no choice', place: menu.otherwise }];
}

function queueExits(config: Pick<Config, 'queues'>, name: string): Exits {
  const queue = queueOf(config, name);
  if (queue === null) return [];
  return [...keyExits(queue.keys), { key: 'otherwise', step: 'waited too long', place: queue.otherwise }, { key: 'full', step: 'queue full', place: queue.full }];
}

function keyExits(keys: Readonly<Record<string, DestinationInFile>>): Exits {
  return Object.entries(keys).map(([key, place]) => ({ key: `keys.${key}`, step: `key ${key}`, place }));
}
