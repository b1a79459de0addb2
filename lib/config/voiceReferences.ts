import { destinationOf, keysOf, type DestinationInFile } from './destinations.js';
import { unknown } from './suggest.js';
import type { Config } from './types.js';

type Report = (path: string, message: string) => void;

/** Every place of the file that says where a call goes, by its key path. */
function placesOf({ routes, menus, queues }: Config): { readonly path: string; readonly place: DestinationInFile }[] {
  const optional = (path: string, place: DestinationInFile | null): { path: string; place: DestinationInFile }[] => (place === null ? [] : [{ path, place }]);
  const keyed = (at: string, keys: Readonly<Record<string, DestinationInFile>>): { path: string; place: DestinationInFile }[] => Object.entries(keys).map(([key, place]) => ({ path: `${at}.keys.${key}`, place }));
  return [
    ...routes.flatMap((route, i) => [{ path: `routes[${i}]`, place: route }, ...optional(`routes[${i}].closed`, route.closed), ...optional(`routes[${i}].unanswered`, route.unanswered)]),
    ...Object.entries(menus).flatMap(([name, menu]) => [...keyed(`menus.${name}`, menu.keys), ...optional(`menus.${name}.otherwise`, menu.otherwise)]),
    ...Object.entries(queues).flatMap(([name, queue]) => [
      ...keyed(`queues.${name}`, queue.keys), ...optional(`queues.${name}.otherwise`, queue.otherwise), ...optional(`queues.${name}.full`, queue.full),
    ]),
  ];
}

/** What places of the file name, and that each names one thing. */
export function checkDestinations(config: Config, report: Report): void {
  for (const { path, place } of placesOf(config)) {
    const keys = keysOf(place);
    if (keys.length === 0) report(path, 'leads nowhere: give it to, menu, queue, voicemail, play or status');
    else if (keys.length > 1) report(path, `leads to several places at once: ${keys.join(', ')}; one of them`);
    else checkNames(config, path, place, report);
  }
  for (const [name, queue] of Object.entries(config.queues)) {
    checkTargets(config, `queues.${name}`, queue.to, report);
    checkCallBack(config, `queues.${name}.callBack`, queue, report);
  }
  config.routes.forEach(({ hours, closed }, i) => {
    if (hours !== null && !Object.hasOwn(config.hours, hours)) report(`routes[${i}].hours`, unknown('hours', hours, Object.keys(config.hours)));
    if (hours === null && closed !== null) report(`routes[${i}]`, 'has closed and no hours: closed is never used');
  });
  for (const [name, { keys, repeat }] of Object.entries(config.menus)) {
    if (repeat !== null && Object.hasOwn(keys, repeat)) report(`menus.${name}.repeat`, `key ${repeat} leads somewhere already`);
  }
}

function checkCallBack({ peers }: Config, path: string, { callBack, keys, to }: Config['queues'][string], report: Report): void {
  if (callBack === null) return;
  if (Object.hasOwn(keys, callBack.key)) report(`${path}.key`, `key ${callBack.key} leads somewhere already`);
  const mute = new Set(to.map(({ peer }) => peer).filter((name) => peers[name]?.mayCall.length === 0));
  for (const name of mute) report(path, `peer ${name} takes calls of this queue and may call nobody back: give peers.${name}.mayCall the number`);
}

function checkNames(config: Config, path: string, place: DestinationInFile, report: Report): void {
  const destination = destinationOf(place);
  if (destination?.kind === 'ring') return checkTargets(config, path, destination.to, report);
  if (destination === null || !('name' in destination)) return;
  const { kind, name } = destination;
  const known = { menu: config.menus, queue: config.queues, voicemail: config.voicemail }[kind];
  if (!Object.hasOwn(known, name)) report(`${path}.${kind}`, unknown(kind, name, Object.keys(known)));
}

function checkTargets({ peers }: Config, path: string, to: DestinationInFile['to'], report: Report): void {
  to.forEach(({ peer }, i) => {
    if (!Object.hasOwn(peers, peer)) report(`${path}.to[${i}].peer`, unknown('peer', peer, Object.keys(peers)));
  });
}
