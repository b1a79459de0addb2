import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import type { Config } from '../config/types.js';
import { WabError } from '../errors.js';
import { graphClient, type GraphClient } from '../graph/client.js';
import { GraphError } from '../graph/error.js';
import { judgeFailedRequest } from '../graph/permission/failedRequest.js';
import { mayBeCalled } from '../graph/permission/pair.js';
import { actionOf, questionOf, type CallPermissions, type PermissionAction, type PermissionLimit } from '../graph/permissions.js';
import { printable, printableJson } from '../observe/printable.js';
import { readDialled } from '../policy/index.js';

interface Options { readonly config: string; readonly number: string; readonly user: string; readonly json?: boolean }

/** Whom it is about. */
interface Pair { readonly number: string; readonly id: string; readonly user: string }

/** Why Meta did not say, or did not do it. */
interface Fault { readonly text: string; readonly todo: string | null }

/** What Meta says; null beside a fault. */
interface Shown extends Pair { readonly mayCall: boolean | null; readonly mayAsk: boolean | null; readonly told: CallPermissions | null; readonly fault: Fault | null }

/** sent: the user was asked now; refused: not, and `why`; unknown: Meta did not confirm it, and it may have gone; fault: nothing was sent. */
interface Asked extends Pair { readonly outcome: 'sent' | 'refused' | 'unknown' | 'fault'; readonly message: string | null; readonly why: string | null; readonly fault: Fault | null }

interface Place extends Pair { readonly client: GraphClient; readonly own: Config['numbers'][string]; readonly state: string }

/**
 * `wa-b2bua permission show | request`: asks Meta, and nobody else: the file of `state` belongs to the service, which asks Meta before it asks a user, so that what
 * is sent from here counts for it too. Exit status 0: the user may be called, or was asked now; 2: not; 1: a fault.
 */
export function registerPermissionCommand(program: Command): void {
  const permission = program.command('permission').description('may a WhatsApp user be called, as Meta says; ask the user');
  withOptions(permission.command('show').description('what Meta says of calling this user; changes nothing'))
    .action(async (options: Options) => {
      const place = openPlace(options);
      const shown = await show(place);
      process.stdout.write(options.json === true ? printableJson(`${JSON.stringify({ ok: shown.mayCall === true, ...shown })}\n`) : printable(printShown(shown, place.state)));
      process.exitCode = shown.fault !== null ? 1 : shown.mayCall === true ? 0 : 2;
    });
  withOptions(permission.command('request').description('ask this user for permission to call, as numbers.*.permissionRequest says; Meta bills it as a message'))
    .action(async (options: Options) => {
      const place = openPlace(options);
      const asked = await request(place);
      process.stdout.write(options.json === true ? printableJson(`${JSON.stringify({ ok: asked.outcome === 'sent', ...asked })}\n`) : printable(printAsked(asked, place.state)));
      process.exitCode = asked.outcome === 'sent' ? 0 : asked.outcome === 'refused' ? 2 : 1;
    });
}

function withOptions(command: Command): Command {
  return command.requiredOption('-c, --config <file>', 'configuration file').requiredOption('--number <number>', 'business number, E.164 with +')
    .requiredOption('--user <user>', 'WhatsApp user: E.164 with +, or a BSUID').option('--json', 'machine-readable output');
}

function openPlace({ config: path, number, user }: Options): Place {
  const config = loadConfig(path);
  const own = Object.hasOwn(config.numbers, number) ? config.numbers[number] : undefined;
  if (own === undefined) throw new WabError('CONFIG_INVALID', `numbers has no "${number}"; there is ${Object.keys(config.numbers).join(', ')}`);
  if (own.id === null) throw new WabError('CONFIG_INVALID', `numbers."${number}".id is missing: the phone number id, by which Meta is asked`);
  if (config.graph === null) throw new WabError('CONFIG_INVALID', 'graph is missing: its token is needed to ask Meta');
  const read = readDialled(user, null);
  if ('problem' in read) throw new Error(`--user: ${read.problem}: give a number with + and country code, or a BSUID`);
  return { number, id: own.id, user: read.user, client: graphClient(config.graph), own, state: config.state.url };
}

async function show({ number, id, user, client }: Place): Promise<Shown> {
  const pair = { number, id, user };
  try {
    const told = await client.callPermissions(id, user);
    return { ...pair, mayCall: mayBeCalled(told, Date.now()) && actionOf(told, 'start_call')?.can !== false, mayAsk: actionOf(told, 'send_call_permission_request')?.can ?? null, told, fault: null };
  } catch (error) {
    return { ...pair, mayCall: null, mayAsk: null, told: null, fault: faultOf(error) };
  }
}

/** Looks first: what Meta would refuse is not sent. */
async function request(place: Place): Promise<Asked> {
  const { number, id, user, client, own } = place;
  const end = (outcome: Asked['outcome'], why: string | null, { message = null, fault = null }: { readonly message?: string | null; readonly fault?: Fault | null } = {}): Asked => ({ number, id, user, outcome, message, why, fault });
  const { told, fault } = await show(place);
  if (told === null) return end('fault', null, { fault });
  const ask = actionOf(told, 'send_call_permission_request');
  if (told.status === 'permanent') return end('refused', 'the user has permitted calls for good: there is nothing to ask');
  if (ask?.can === false) return end('refused', `Meta does not let this user be asked now${ask.limits.length === 0 ? '' : `: ${limitsText(ask)}`}`);
  try {
    return end('sent', null, { message: (await client.requestPermission(id, user, questionOf(own.permissionRequest))).id });
  } catch (error) {
    const failed = judgeFailedRequest(error);
    if (failed === 'permitted') return end('refused', 'the user has permitted calls for good: there is nothing to ask');
    if (failed === 'askedAlready') return end('refused', 'the user was asked already, as often as Meta lets');
    return end(failed === 'unknown' ? 'unknown' : 'fault', null, { fault: faultOf(error) });
  }
}

function faultOf(error: unknown): Fault {
  if (!(error instanceof GraphError)) throw error;
  return { text: error.message, todo: error.todo };
}

function printShown({ number, id, user, told, mayCall, mayAsk, fault }: Shown, state: string): string {
  const head = `${number} (${id}), user ${user}`;
  if (told === null) return lines([head, ...printFault(fault)]);
  const { status, expiresAt } = told;
  return lines([
    head,
    `  permission   ${status === 'no_permission' ? 'none' : status}${expiresAt === null ? '' : `, ${expiresAt > Date.now() ? 'until' : 'ended'} ${clock(expiresAt)}`}`,
    `  call         ${mayCall === true ? 'yes' : 'no'}${more(actionOf(told, 'start_call'))}`,
    `  ask the user ${mayAsk === null ? 'Meta does not say' : mayAsk ? 'yes' : 'no'}${more(actionOf(told, 'send_call_permission_request'))}`,
    ...told.actions.filter(({ name }) => name !== 'start_call' && name !== 'send_call_permission_request').map(({ name, can }) => `  ${name} ${can === null ? 'Meta does not say' : can ? 'yes' : 'no'}`),
    ...stateNote(state, 'What a running service knows besides (an answer of the user that Meta does not tell: a no; its own requests that are on their way) is'),
  ]);
}

function printAsked({ number, id, user, outcome, message, why, fault }: Asked, state: string): string {
  const head = `${number} (${id}), user ${user}`;
  switch (outcome) {
    case 'sent': return lines([head, `  asked        ${message ?? ''}; Meta tells the answer by webhook, and permission show says it`, ...stateNote(state, 'This request is not written down for a running service, which asks Meta before it asks a user, and so counts it. What the service knows is')]);
    case 'refused': return lines([head, `  not asked    ${why ?? ''}`]);
    case 'unknown': return lines([head, ...printFault(fault), '         Whether the user was asked is not known: look with permission show before you ask again.']);
    case 'fault': return lines([head, ...printFault(fault), '         The user was not asked.']);
  }
}

function printFault(fault: Fault | null): string[] {
  return fault === null ? [] : [`  FAULT  ${fault.text}`, ...fault.todo === null ? [] : [`         → ${fault.todo}`]];
}

/** Says what is left out, where there is a file that a service may have. */
function stateNote(state: string, what: string): string[] {
  return state === 'memory' ? [] : ['', `${what} in ${state.startsWith('file:') ? state.slice(5) : 'Redis'}: not read here.`];
}

function more(action: PermissionAction | null): string {
  return action === null || action.limits.length === 0 ? '' : `; ${limitsText(action)}`;
}

function limitsText({ limits }: PermissionAction): string {
  return limits.map(limitText).join(', ');
}

function limitText({ period, allowed, used, until }: PermissionLimit): string {
  return `${used ?? '?'} of ${allowed ?? '?'} in ${periods[period] ?? period}${until === null ? '' : ` (again after ${clock(until)})`}`;
}

/** Meta's words for a period. */
const periods: Readonly<Record<string, string>> = { PT24H: '24 h', P7D: '7 days' };

function clock(time: number): string {
  return `${new Date(time).toISOString().slice(0, 16)}Z`;
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
