import { unknown } from './suggest.js';
import type { Config } from './types.js';

type Report = (path: string, message: string) => void;

/** Recorders of others, and who has calls recorded there. */
export function checkSiprec(config: Config, report: Report): void {
  const { siprec, peers, routes } = config;
  for (const [name, { to }] of Object.entries(siprec)) {
    to.forEach(({ peer }, i) => {
      const at = `siprec.${name}.to[${i}].peer`;
      const config = Object.hasOwn(peers, peer) ? peers[peer] : undefined;
      if (config === undefined) return report(at, unknown('peer', peer, Object.keys(peers)));
      if (config.register) report(at, `peer ${peer} is of phones that register: a recorder has a uri`);
      else if (config.websocket !== null) report(at, `peer ${peer} is a voice agent: a recorder has a uri; tee gives a copy to a WebSocket`);
      else if (config.webrtc) report(at, `peer ${peer} has webrtc: true: a recorder gets plain RTP or SDES, as srtp of its peer says`);
    });
  }
  const uses = [...routes.map((route, i) => [`routes[${i}]`, route] as const), ...Object.entries(peers).map(([name, peer]) => [`peers.${name}`, peer] as const)];
  for (const [at, { siprec: use, record }] of uses) {
    if (use === null) continue;
    if (!Object.hasOwn(siprec, use.recorder)) report(`${at}.siprec.recorder`, unknown('siprec', use.recorder, Object.keys(siprec)));
    // Who presses the key means whoever records: half a pause would leave a card's number with the other.
    if (record !== null && record.pauseKey !== use.pauseKey) report(`${at}.siprec.pauseKey`, `must be that of ${at}.record: the key pauses both`);
    // Else one of them has what is said until the other has said that it is recorded.
    if (record !== null && record.announce !== use.announce) report(`${at}.siprec.announce`, `must be that of ${at}.record: nothing is recorded before it is said`);
  }
}
