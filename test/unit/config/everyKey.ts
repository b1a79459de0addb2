import type { Group } from '../../../lib/config/schema.js';
import { isLeaf, schema } from '../../../lib/config/schema.js';

export interface Key { readonly path: string; readonly kind: 'scalar' | 'list' | 'group' | 'table'; readonly required: boolean; readonly secret: boolean; readonly item: boolean }

/** Every key path of the schema, lists and tables entered at the one entry the full document has. */
function keysOf(group: Group, path: string): Key[] {
  const entries: Record<string, string> = { 'node.addresses': 'a', domains: 'sbc.example.org', numbers: '+447700900001', peers: 'pbx', 'peers.pbx.accounts': '6001', 'policy.leaks': 'forwarded181', hours: 'office', 'hours.office.week': 'fri', menus: 'main', 'menus.main.keys': '1', queues: 'support', siprec: 'archive', 'queues.support.keys': '1', voicemail: 'sales',
    'numbers.+447700900001.settings.userParams': 'tgrp', 'peers.pbx.headers': 'X-Key', 'routes[0].tee.headers': 'X-Key',
  };
  return Object.entries(group).flatMap(([key, child]): Key[] => {
    const at = path === '' ? key : `${path}.${key}`;
    if (!isLeaf(child)) return [{ path: at, kind: 'group', required: false, secret: false, item: false }, ...keysOf(child, at)];
    const self = { path: at, required: child.required === true, secret: child.secret === true, item: false };
    if (child.optional) return [{ ...self, kind: 'group' }, ...keysOf(child.children!, at)];
    if (child.keys) {
      const entry = `${at}.${entries[at]}`;
      if (child.list) return [{ ...self, kind: 'table' }, { ...self, required: false, path: entry, kind: 'list', item: true }, { ...self, required: false, path: `${entry}[0]`, kind: 'scalar', item: true }];
      return [{ ...self, kind: 'table' }, ...(child.children ? keysOf(child.children, entry) : [{ ...self, path: entry, kind: 'scalar' as const, item: true }])];
    }
    if (!child.list) return [{ ...self, kind: 'scalar' }];
    const item = `${at}[0]`;
    return [{ ...self, kind: 'list' }, ...(child.children ? [{ ...self, required: false, path: item, kind: 'group' as const, item: true }, ...keysOf(child.children, item)]
      : [{ ...self, required: false, path: item, kind: 'scalar' as const, item: true }])];
  });
}

// The peer whose users register is another than the one with a uri, and so is a voice agent.
export const keys = keysOf(schema, '').map((key) => ({ ...key, path: key.path.replace(/^peers\.pbx\.(accounts|registration|siprec)\b/, 'peers.phones.$1').replace(/^peers\.pbx\.(websocket|dialect|sampleRate|headers|tls)\b/, 'peers.bot.$1').replace(/^routes\[0\]\.siprec\b/, 'routes[1].siprec') }));
