/** Where a Redis is, as `state.url` says. */
export interface RedisPlace {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly username: string | null;
  readonly password: string | null;
  readonly db: number;
  /** Name of the master that Sentinels watch; '' for the other kinds. */
  readonly master: string;
}

const form = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/@?#]+)(?:\/([^?#]*))?$/;

/** Reads redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], rediss:// with TLS, redis+sentinel://HOST[:PORT],…/MASTER[/DB] and redis+cluster://HOST[:PORT],…; null for anything else. User and password are percent-encoded. */
export function readRedisUrl(text: string): RedisPlace | null {
  const [, scheme, kind = 'single', login = '', places = '', path = ''] = form.exec(text) ?? [];
  if (scheme === undefined || (kind !== 'single' && kind !== 'sentinel' && kind !== 'cluster')) return null;
  const hosts = hostsOf(places, kind === 'sentinel' ? 26_379 : 6379);
  const credentials = decoded(login);
  const target = targetOf(path, kind);
  if (hosts === null || credentials === null || target === null || (kind === 'single' && hosts.length !== 1)) return null;
  return { kind, tls: scheme === 'rediss', hosts, ...credentials, ...target };
}

function hostsOf(places: string, usual: number): RedisPlace['hosts'] | null {
  const hosts = places.split(',').flatMap((place) => {
    const [, host, port = usual] = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?$/.exec(place) ?? [];
    return host === undefined || Number(port) < 1 || Number(port) > 65_535 ? [] : [{ host: host.replace(/^\[|\]$/g, ''), port: Number(port) }];
  });
  return hosts.length < places.split(',').length ? null : hosts;
}

function targetOf(path: string, kind: RedisPlace['kind']): Pick<RedisPlace, 'db' | 'master'> | null {
  const parts = path === '' ? [] : path.split('/');
  const master = kind === 'sentinel' ? parts.shift() ?? '' : '';
  const [db = '0', ...more] = parts;
  const good = more.length === 0 && /^[0-9]{1,4}$/.test(db) && (kind !== 'cluster' || db === '0') && (kind !== 'sentinel' || master !== '');
  return good ? { db: Number(db), master } : null;
}

function decoded(login: string): Pick<RedisPlace, 'username' | 'password'> | null {
  const [, user = '', password = null] = /^([^:]*)(?::(.*))?$/.exec(login) ?? [];
  try {
    return { username: user === '' ? null : decodeURIComponent(user), password: password === null || password === '' ? null : decodeURIComponent(password) };
  } catch {
    return null;
  }
}

/** The place without its password, for people. */
export function shownPlace({ kind, tls, hosts, db, master }: RedisPlace): string {
  const at = hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
  return `redis${tls ? 's' : ''}${kind === 'single' ? '' : `+${kind}`}://${at}${master === '' ? '' : `/${master}`}${db === 0 ? '' : `/${db}`}`;
}
