import type { Test } from 'tap';
import type { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, type Stage } from '../harness.js';

/** A service whose PBX is bare UDP, answers each INVITE and may call. */
export interface RawPbx { readonly stage: Stage; readonly pbx: RawPeer; readonly invites: SipMessage[] }

/** Opens it; both end with the test. Media is not judged: the PBX sends none. */
export async function openRawPbx(t: Test): Promise<RawPbx> {
  const pbx = await RawPeer.open();
  t.teardown(() => pbx.close());
  const invites: SipMessage[] = [];
  pbx.script((invite, peer) => {
    invites.push(invite);
    peer.answer(invite, 200, { body: sdp() });
  });
  const stage = await openStage({ external: { pbx: { port: pbx.port, mayCall: [number] } }, overlay: { meta: { mediaTimeout: 0 } } });
  t.teardown(() => stage.close());
  return { stage, pbx, invites };
}
