/**
 * Stand-ins for both sides of a call, with real audio: used by the CLI and by tests, by nothing else.
 *
 * - `simulateUser(options)` → `UserReport`: one whole user-initiated call as Meta places it, judged by Meta's rules.
 * - `MetaSide` and `SimulatedUser`: the same, step by step, many users on one connection.
 * - `startMeta(options)` → `SimulatedMeta`: wa.meta.vc for business-initiated calls: challenges, refuses in Meta's words, rings, answers with audio.
 * - `startGraph(options)` → `SimulatedGraph`: the Graph API, with webhooks; its `calls` is the `ledger` of the two above: who may call whom follows from it.
 * - `startAgent(options)` → `SimulatedAgent`: a voice agent behind a WebSocket.
 * - `startPeer(options)` → `SimulatedPeer`: a PBX user that answers, holds, transfers, and places calls.
 */
export { simulateUser } from './meta/simulateUser.js';
export type { SimulateUserOptions } from './meta/simulateUser.js';
export { MetaSide } from './meta/side.js';
export type { MetaSideOptions } from './meta/side.js';
export { SimulatedUser } from './meta/user.js';
export type { UserOptions } from './meta/user.js';
export type { UserReport } from './meta/report.js';
export { SimulatedMeta, startMeta } from './meta/meta.js';
export type { Attempt, MetaOptions } from './meta/meta.js';
export type { MetaNumber } from './meta/admission.js';
export { SimulatedMetaCall } from './meta/metaCall.js';
export type { BusinessCallReport } from './meta/metaCall.js';
export { META_BEHAVIOUR_HELP, parseMetaBehaviour } from './meta/metaBehaviour.js';
export type { MetaBehaviour } from './meta/metaBehaviour.js';
export { REFUSALS } from './meta/refusals.js';
export type { RefusalName } from './meta/refusals.js';
export { SimulatedGraph, startGraph } from './graph/graph.js';
export type { GraphOptions, GraphRequest } from './graph/graph.js';
export { GRAPH_BEHAVIOUR_HELP, parseGraphBehaviour } from './graph/behaviour.js';
export type { GraphBehaviour } from './graph/behaviour.js';
export { RemoteLedger } from './graph/remoteLedger.js';
export type { CallLedger } from './meta/ledger.js';
export { SimulatedAgent, startAgent } from './agent/agent.js';
export type { AgentOptions } from './agent/agent.js';
export { AgentConversation } from './agent/conversation.js';
export type { AgentReport } from './agent/conversation.js';
export { AGENT_BEHAVIOUR_HELP, parseAgentBehaviour } from './agent/behaviour.js';
export { SimulatedPeer, startPeer } from './peer/peer.js';
export type { CallOptions, PeerOptions } from './peer/options.js';
export type { PeerCall } from './peer/call.js';
export type { PeerCallReport } from './peer/report.js';
export { BEHAVIOUR_HELP, parseBehaviour } from './peer/behaviour.js';
export type { PeerBehaviour } from './peer/behaviour.js';
export type { Rule, Violation } from './verdict.js';
export type { MediaReport } from './media/endpoint.js';
