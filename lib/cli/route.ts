import type { Command } from 'commander';
import { readAliases } from '../app/state.js';
import { stateFile } from '../config/files.js';
import { loadConfig } from '../config/load.js';
import type { Config } from '../config/types.js';
import type { CallExplanation, CompiledPolicy, Explained } from '../policy/index.js';
import { compilePolicy, explainBusinessInitiated, explainUserInitiated } from '../policy/index.js';
import { compileRouting, selectRoute } from '../routing/index.js';
import { timeOf } from '../routing/hours.js';
import { machineAddresses } from '../sip/ownHosts.js';
import { parseUri } from '../sip/uri.js';

interface Options {
  readonly config: string; readonly number: string; readonly from?: string; readonly payload?: string; readonly peer?: string; readonly to?: string; readonly at?: string;
  readonly json?: boolean;
}

/** `wa-b2bua route`: what would happen to a call, rule by rule, without placing it. Exit status 0 when it would go on, 1 when not. */
export function registerRouteCommand(program: Command): void {
  const command = program.command('route').description('what would happen to a call, rule by rule: --number and --from for a WhatsApp user\'s, --peer, --number and --to for a PBX\'s')
    .requiredOption('-c, --config <file>', 'configuration file')
    .requiredOption('--number <number>', 'business number, E.164 with +')
    .option('--from <user>', 'calling WhatsApp user: E.164 with +, or a BSUID').option('--payload <text>', 'payload of the call button or link')
    .option('--at <time>', 'time of the call, in ISO 8601: 2026-12-25T10:00; without a zone that of the hours of the route; default: now')
    .option('--peer <name>', 'peer that calls').option('--to <user>', 'what the peer dials: a number, a BSUID or its alias, or a sip: or tel: URI')
    .option('--json', 'machine-readable output')
    .action(async (options: Options) => {
      const business = options.peer !== undefined && options.to !== undefined && options.from === undefined && options.payload === undefined && options.at === undefined;
      if (!business && (options.from === undefined || options.peer !== undefined || options.to !== undefined)) {
        command.error('error: give --number and --from (and --payload, --at), or --peer, --number and --to');
      }
      const explanation = await explain(options);
      if (explanation === null) return command.error(`error: --at ${options.at ?? ''} is no time in ISO 8601 such as 2026-12-25T10:00 or 2026-12-25T10:00Z`);
      process.stdout.write(options.json === true ? `${JSON.stringify(explanation)}\n` : print(explanation));
      process.exitCode = explanation.allow ? 0 : 1;
    });
}

/** Null: the time is none. */
async function explain({ config: path, number, from, payload, peer, to, at }: Options): Promise<CallExplanation | null> {
  const config = loadConfig(path);
  const policy = compilePolicy(config, machineAddresses());
  if (peer !== undefined && to !== undefined) return explainDialled(config, policy, { peer, number, to });
  const routing = compileRouting(config);
  const request = { number, user: from ?? '', payload: payload ?? null, time: Date.now() };
  const decision = selectRoute(routing, request);
  const hours = decision.found && decision.hours !== null ? config.hours[decision.hours.name] : undefined;
  const time = at === undefined ? request.time : timeOf(at, hours?.timezone ?? 'UTC');
  return time === null ? null : explainUserInitiated(policy, (asked) => selectRoute(routing, asked), { ...request, time });
}

/** What a peer dials may be the alias of a user without a number, where it knows users by those. */
async function explainDialled(config: Config, policy: CompiledPolicy, call: { readonly peer: string; readonly number: string; readonly to: string }): Promise<CallExplanation> {
  const dialled = parseUri(call.to)?.user ?? call.to;
  const aliases = config.peers[call.peer]?.bsuid === 'digits' ? await readAliases(config) : null;
  if (aliases === null || !aliases.isAlias(dialled)) return explainBusinessInitiated(policy, call);
  const user = aliases.userOf(dialled);
  if (user !== null) return explainBusinessInitiated(policy, { ...call, to: user });
  const why = stateFile(config.state.url) === null ? 'aliases are known to the running service alone, as there is no state file' : `the alias is nobody's in ${config.state.url}`;
  return { direction: 'business-initiated', allow: false, text: `refused with 404: ${why}`, routes: [], hours: null, course: [], verdicts: [] };
}

function print({ allow, text, routes, hours, course, verdicts }: CallExplanation): string {
  const lines = [
    ...routes.map(({ route, matched, why }) => `route ${route}: ${matched ? 'taken' : 'passed over'}, ${why}`),
    ...hours === null ? [] : [hours.why],
    ...course.map(({ place, steps, text: does }) => `${[...steps, does].join(' -> ')} (${place})`),
    ...verdicts.flatMap(printVerdict),
    `${allow ? 'ALLOWED' : 'DENIED'}: ${text}`,
  ];
  return `${lines.join('\n')}\n`;
}

function printVerdict({ facts, answers, decided, verdict, place, steps }: Explained): string[] {
  const asked = 'origin' in facts ? `${facts.origin} to ${facts.uri}` : `peer ${facts.peer} dials ${facts.uri}`;
  return [
    steps.length === 0 ? asked : `${steps.join(' -> ')}: ${asked} (${place})`,
    ...answers.map((answer) => `  ${answer.answer.padEnd(5)} ${answer.rule}${answer.text === '' ? '' : `: ${answer.text}`}${answer === decided ? '  <- decides' : ''}`),
    `  ${verdict.allow ? 'allowed' : `denied with ${verdict.status}`} by ${verdict.rule}`,
  ];
}
