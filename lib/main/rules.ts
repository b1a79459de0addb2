import { setImmediate } from 'node:timers/promises';
import type { CallRules } from '../call/context.js';
import type { Config } from '../config/types.js';
import { WabError } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import {
  compilePolicy, formatPolicyFault, judgeCaller, judgeLeak, judgeNewcomer, judgeTarget, objectsToContact, proveInSteps, type CompiledPolicy, type Proof,
} from '../policy/index.js';
import { compileRouting, selectRoute } from '../routing/index.js';
import { hostKey, machineAddresses } from '../sip/ownHosts.js';
import { sourceJudge } from '../sip/source.js';

/**
 * The rules that a reload replaces as a whole.
 * @throws WabError CONFIG_INVALID with every path that leads to the telephone network (house rule 2)
 */
export async function compileRules(config: Config): Promise<CallRules> {
  const routing = compileRouting(config);
  const policy = compilePolicy(config, machineAddresses());
  const { faults } = await proven(policy);
  if (faults.length > 0) throw new WabError('CONFIG_INVALID', `\n${faults.map(formatPolicyFault).join('\n')}`);
  return {
    config,
    // Users who register are known by what they know, never by their address.
    judgeSource: sourceJudge({ metaSources: config.meta.sources, peers: Object.fromEntries(Object.entries(config.peers).filter(([, peer]) => !peer.register)) }),
    selectRoute: (request) => selectRoute(routing, request),
    judgeTarget: (facts) => judgeTarget(policy, facts),
    judgeCaller: (facts) => judgeCaller(policy, facts),
    judgeNewcomer: (facts) => judgeNewcomer(policy, facts),
    judgeLeak: (facts) => judgeLeak(policy, facts),
    isOwnHost: (host) => policy.own.hosts.has(hostKey(host)),
    judgeContact: (uri, user) => objectsToContact(policy, uri, user),
  };
}

/** The proof, with room for calls between its steps: at a reload they go on. */
async function proven(policy: CompiledPolicy): Promise<Proof> {
  const steps = proveInSteps(policy);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await setImmediate();
  }
}

/** Keys that a running service cannot change; the operator is told instead of left wondering. */
export function warnOfFixedKeys(from: Config, to: Config, log: Logger): void {
  const fixed: Record<string, (config: Config) => unknown> = {
    domain: ({ domain }) => domain,
    sip: ({ sip }) => sip,
    'meta.host': ({ meta }) => meta.host,
    'meta.challenge': ({ meta }) => meta.challenge,
    // The list of FreeSWITCH servers is taken anew.
    media: ({ media }) => ({ ...media, freeswitch: media.freeswitch.length > 0 }),
    'numbers: the first with keying: dtls': ({ media, numbers }) => media.engine === 'freeswitch' && media.webrtc === 'rtpengine' && Object.values(numbers).some(({ keying }) => keying === 'dtls'),
    'http.listen': ({ http }) => http.listen,
    'cdr.file': ({ cdr }) => cdr.file,
    'policy.audit': ({ policy }) => policy.audit,
    state: ({ state }) => state,
    log: ({ log: { level, fullNumbers } }) => ({ level, fullNumbers }),
  };
  for (const [key, read] of Object.entries(fixed)) {
    if (JSON.stringify(read(from)) !== JSON.stringify(read(to))) log.warn({ key }, `${key} has changed: it takes effect at the next restart`);
  }
}
