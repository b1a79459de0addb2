import type { Command } from 'commander';
import { DEFAULT_LIMITS, startSipServer } from '../sipserver/index.js';
import type { SipLimits, SipServerOptions } from '../sipserver/index.js';
import { splitHostPort } from '../util/hostPort.js';

interface Options {
  listen: string[];
  admin: string;
  secret: string;
  cert?: string;
  key?: string;
  origin?: string[];
  advertise?: string;
  target?: string[];
  limit?: string[];
  verbose?: boolean;
  trace?: boolean;
}

/** `wa-b2bua sipserver`: the embedded SIP server by itself, for any drachtio application. Runs until SIGINT or SIGTERM. */
export function registerSipserverCommand(program: Command): void {
  program.command('sipserver')
    .description('run the embedded SIP server by itself, for any drachtio application')
    .requiredOption('--listen <address...>', 'udp:HOST:PORT, tcp:HOST:PORT, tls:HOST:PORT, wss:HOST:PORT or ws:HOST:PORT')
    .requiredOption('--admin <host:port>', 'where drachtio applications connect')
    .requiredOption('--secret <secret>', 'what they authenticate with')
    .option('--cert <file>', 'certificate chain (PEM), for tls and wss')
    .option('--key <file>', 'private key (PEM), for tls and wss')
    .option('--origin <origin...>', 'pages that may connect by wss and ws, such as https://crm.example.net, or *; default: those of the host that they connect to')
    .option('--advertise <host>', 'host or host:port that peers see, behind NAT')
    .option('--target <name=address:port...>', 'connect to this address for that host name; the certificate must still be the name\'s')
    .option('--limit <name=number...>', 'change a limit, e.g. messagesPerSecond=100')
    .option('--verbose', 'log everything, not only warnings')
    .option('--trace', 'print every SIP message')
    .action(async (o: Options) => {
      const server = await startSipServer(serverOptions(o));
      process.stdout.write(`${JSON.stringify({ ready: true, listening: server.listening, admin: server.admin })}\n`);
      await new Promise<void>((resolve) => {
        process.once('SIGINT', () => { resolve(); });
        process.once('SIGTERM', () => { resolve(); });
      });
      await server.close();
    });
}

function serverOptions(o: Options): SipServerOptions {
  const admin = hostAndPort(o.admin);
  const line = (level: string) => (facts: object, message: string): void => {
    process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...facts })}\n`);
  };
  const none = (): void => { /* not asked for */ };
  return {
    listen: o.listen,
    admin: { ...admin, secret: o.secret },
    ...(o.cert !== undefined && o.key !== undefined ? { tls: { cert: o.cert, key: o.key } } : {}),
    ...(o.origin === undefined ? {} : { origins: o.origin }),
    advertise: { default: o.advertise ?? null },
    targets: Object.fromEntries((o.target ?? []).map((text) => {
      const [name = '', address = ''] = text.split('=');
      const { host, port } = hostAndPort(address);
      return [name, { address: host, port }];
    })),
    limits: limitsFrom(o.limit ?? []),
    logger: { error: line('error'), warn: line('warn'), info: o.verbose === true ? line('info') : none, debug: o.verbose === true ? line('debug') : none },
    ...(o.trace === true ? { onMessage: (m) => { process.stdout.write(`${m.direction} ${m.transport} ${m.local} ${m.remote}\n${Buffer.from(m.text, 'latin1').toString()}\n`); } } : {}),
  };
}

function limitsFrom(texts: readonly string[]): Partial<SipLimits> {
  const limits: Record<string, number> = {};
  // Everybody is known to a server without rules about sources.
  const known = Object.keys(DEFAULT_LIMITS).filter((name) => name !== 'strangers');
  for (const text of texts) {
    const m = /^([A-Za-z]+)=(\d+)$/.exec(text);
    if (m?.[1] === undefined) throw new Error(`not a limit: ${text}`);
    if (!known.includes(m[1])) throw new Error(`no limit is called ${m[1]}; there are ${known.join(', ')}`);
    limits[m[1]] = Number(m[2]);
  }
  return limits;
}

/** `HOST:PORT` with an IPv6 address in brackets. */
function hostAndPort(text: string): { host: string; port: number } {
  const at = splitHostPort(text);
  if (at === null || at.port === null) throw new Error(`not HOST:PORT: ${text}`);
  return { host: at.host, port: at.port };
}
