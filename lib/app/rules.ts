import { setImmediate } from 'node:timers/promises';
import type { CallRules } from '../call/context.js';
import { tlsPeers } from '../config/domains.js';
import type { Config } from '../config/types.js';
import { WabError } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import {
  compilePolicy, formatPolicyFault, judgeCaller, judgeLeak, judgeNewcomer, judgeTarget, objectsToContact, proveInSteps, type CompiledPolicy, type Proof,
} from '../policy/index.js';
import { compileRouting, selectRoute } from '../routing/index.js';
import { machineAddresses } from '../sip/ownHosts.js';
import { sourceJudge } from '../sip/source.js';
import { hostKey } from '../util/hostKey.js';

/**
 * The rules that a reload replaces as a whole.
 * @throws WabError CONFIG_INVALID with every path that leads to the telephone network (house rule 2)
 */
export async function compileRules(config: Config): Promise<CallRules> {
  wantPasswords(config);
  const routing = compileRouting(config);
  const policy = compilePolicy(config, machineAddresses());
  const { faults } = await proven(policy);
  if (faults.length > 0) throw new WabError('CONFIG_INVALID', `\n${faults.map(formatPolicyFault).join('\n')}`);
  return {
    config,
    // Users who register are known by what they know, never by their address.
    judgeSource: sourceJudge({
      metaSources: config.meta.sources, peers: Object.fromEntries(Object.entries(config.peers).filter(([, peer]) => !peer.register)),
      certified: tlsPeers(config).flatMap(({ name, isCertified }) => (isCertified ? [name] : [])),
    }),
    selectRoute: (request) => selectRoute(routing, request),
    judgeTarget: (facts) => judgeTarget(policy, facts),
    judgeCaller: (facts) => judgeCaller(policy, facts),
    judgeNewcomer: (facts) => judgeNewcomer(policy, facts),
    judgeLeak: (facts) => judgeLeak(policy, facts),
    isOwnHost: (host) => policy.own.hosts.has(hostKey(host)),
    judgeContact: (uri, user) => objectsToContact(policy, uri, user),
  };
}

/** @throws WabError FILE_UNREADABLE: a number that has no password yet can neither take a call nor place one. */
function wantPasswords({ numbers }: Config): void {
  for (const [number, { password, passwordFile }] of Object.entries(numbers)) {
    if (password === '') throw new WabError('FILE_UNREADABLE', `numbers."${number}".passwordFile: ${passwordFile} is not there yet: run wa-b2bua provision apply`);
  }
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

/** Keys that a running service cannot change, each by how its value is read; `except` names keys below it that it can. */
export const fixedKeys: readonly { readonly key: string; readonly read: (config: Config) => unknown; readonly except?: string }[] = [
  { key: 'domain', read: ({ domain }) => domain },
  { key: 'sip', read: ({ sip }) => sip },
  { key: 'meta.host', read: ({ meta }) => meta.host },
  { key: 'meta.port', read: ({ meta }) => meta.port },
  { key: 'meta.ca', read: ({ meta }) => meta.ca },
  { key: 'meta.address', read: ({ meta }) => meta.address },
  { key: 'meta.challenge', read: ({ meta }) => meta.challenge },
  // The list of FreeSWITCH servers is taken anew.
  { key: 'media', read: ({ media }) => ({ ...media, freeswitch: media.freeswitch.length > 0 }), except: 'media.freeswitch' },
  { key: 'numbers: the first with keying: dtls', read: ({ media, numbers }) => media.engine === 'freeswitch' && media.webrtc === 'rtpengine' && Object.values(numbers).some(({ keying }) => keying === 'dtls') },
  { key: 'webhooks', read: ({ webhooks }) => webhooks },
  { key: 'hep', read: ({ hep }) => hep },
  { key: 'traces', read: ({ traces }) => traces },
  { key: 'http.listen', read: ({ http }) => http.listen },
  { key: 'api.listen', read: ({ api }) => api.listen },
  { key: 'api.tls', read: ({ api }) => api.tls },
  { key: 'events', read: ({ events }) => events },
  { key: 'recording: its directory', read: ({ recording }) => recording?.directory },
  // Records show users as the file in force says; the rest is opened at the start.
  { key: 'cdr', read: ({ cdr: { fullNumbers: _, ...rest } }) => rest, except: 'cdr.fullNumbers' },
  { key: 'policy.audit', read: ({ policy }) => policy.audit },
  { key: 'state', read: ({ state }) => state },
  { key: 'node', read: ({ node: { addresses: _, ...rest } }) => rest, except: 'node.addresses' },
  { key: 'log', read: ({ log: { level, fullNumbers } }) => ({ level, fullNumbers }) },
];

/** The operator is told instead of left wondering. */
export function warnOfFixedKeys(from: Config, to: Config, log: Logger): void {
  for (const { key, read } of fixedKeys) {
    if (JSON.stringify(read(from)) !== JSON.stringify(read(to))) log.warn({ key }, `${key} has changed: it takes effect at the next restart`);
  }
}
