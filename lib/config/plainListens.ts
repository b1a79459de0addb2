import { isLoopbackListen } from './checks.js';
import type { Config } from './types.js';

/** What is listened for in the clear beyond this machine: the key, what is wrong with it, and what to do. */
export function plainListens({ http, webhooks, sip }: Pick<Config, 'http' | 'webhooks' | 'sip'>): readonly { readonly path: string; readonly message: string; readonly todo: string }[] {
  const found = [];
  if (http.listen !== null && !isLoopbackListen(http.listen)) {
    found.push({ path: 'http.listen', message: 'is beyond loopback and has no TLS: tokens and what the pages say cross the network in the clear unless a TLS proxy stands in front', todo: 'listen on 127.0.0.1 behind a TLS proxy' });
  }
  if (webhooks !== null && webhooks.tls === null && !isLoopbackListen(webhooks.listen)) {
    found.push({
      path: 'webhooks.listen', message: "is beyond loopback and webhooks.tls is not set: Meta sends to HTTPS only, and who reads the network reads users' numbers, unless a TLS proxy stands in front",
      todo: 'set webhooks.tls, or listen on 127.0.0.1 behind a TLS proxy',
    });
  }
  for (const [i, listen] of (sip.server === 'embedded' ? sip.listen : []).entries()) {
    if (!listen.startsWith('ws:') || isLoopbackListen(listen.slice('ws:'.length))) continue;
    found.push({
      path: `sip.listen[${i}]`, message: `is ${listen}, a WebSocket without TLS beyond loopback: who reads the network reads users' numbers, and browsers give pages of https no such connection`,
      todo: 'use wss, or ws on 127.0.0.1 behind a TLS proxy',
    });
  }
  return found;
}
