import { createInterface } from 'node:readline';
import { InvalidArgumentError, type Command } from 'commander';
import { GRAPH_BEHAVIOUR_HELP, parseGraphBehaviour, startGraph, type SimulatedGraph } from '../simulator/index.js';

interface GraphFlags {
  listen: string; number: string[]; id: string[]; token: string; app: string; waba: string; tier: string; sandbox?: boolean; behaviour: string; webhooks?: string; secret: string;
  template?: string[]; unsubscribed?: boolean;
}

/** `wa-b2bua simulate graph`: runs until SIGINT or SIGTERM; says each request on a line of its own. */
export function registerGraph(simulate: Command): void {
  simulate.command('graph')
    .description('play Meta\'s Graph API: settings of numbers, call permissions, messages, webhooks')
    .requiredOption('--listen <host:port>', 'where it is played, over HTTP')
    .requiredOption('--number <+number...>', 'business numbers')
    .requiredOption('--id <id...>', 'their phone number ids, in the same order')
    .requiredOption('--token <token>', 'the token that is taken')
    .option('--app <id>', 'app that the token is of', '100000000000009')
    .option('--waba <id>', 'WhatsApp account of the numbers', '100000000000002')
    .option('--tier <tier>', 'messaging limit of the numbers; calling needs 2000', 'TIER_2K')
    .option('--sandbox', 'the numbers are test numbers: other limits')
    .option('--webhooks <url>', 'where webhooks go')
    .option('--secret <secret>', 'app secret that signs them', '')
    .option('--unsubscribed', 'the app is not subscribed to the account yet')
    .option('--template <name...>', 'approved templates that ask for a permission, as NAME:LANGUAGE')
    .option('--behaviour <words>', 'how it strays from an honest one', checked, '')
    .addHelpText('after', `\nHow it strays, words joined by commas:\n${GRAPH_BEHAVIOUR_HELP.map((line) => `  ${line}`).join('\n')}\n\nWhile it runs, standard input takes:\n${orders.map((line) => `  ${line}`).join('\n')}`)
    .action(async (flags: GraphFlags) => {
      const { number: numbers, id: ids, waba, tier, webhooks } = flags;
      if (numbers.length !== ids.length) throw new Error('--number and --id: as many of the one as of the other');
      const graph = await startGraph({
        listen: flags.listen, behaviour: flags.behaviour, tokens: { [flags.token]: flags.app }, subscribed: flags.unsubscribed !== true,
        numbers: numbers.map((number, i) => ({ number, id: ids[i] ?? '', waba, tier, environment: flags.sandbox === true ? 'sandbox' : 'production' })),
        templates: (flags.template ?? []).map((name) => name.replace(':', ' ')), webhooks: webhooks === undefined ? undefined : { url: webhooks, secret: flags.secret },
      });
      say({ ready: true, url: graph.url });
      graph.onRequest = ({ method, path, status, error }) => say({ request: `${method} ${path}`, status, ...(error === null ? {} : { error }) });
      const input = createInterface({ input: process.stdin });
      input.on('line', (line) => {
        if (line.trim() !== '') say({ order: line.trim(), ...obey(graph, numbers[0] ?? '', line.trim().split(/\s+/)) });
      });
      await new Promise<void>((resolve) => {
        process.once('SIGINT', () => { resolve(); });
        process.once('SIGTERM', () => { resolve(); });
      });
      input.close();
      await graph.close();
    });
}

const orders = [
  'clock SECONDS                          move Meta\'s clock on',
  'accept | permanent | reject USER       the user answers the newest request',
  'grant USER                             the user permits calls in the profile',
  'behaviour WORDS                        as --behaviour',
] as const;

function obey(graph: SimulatedGraph, number: string, [word = '', value = '']: readonly string[]): object {
  try {
    switch (word) {
      case 'clock': graph.world.clock.advance(Number(value) * 1000); return { now: graph.world.clock.seconds() };
      case 'behaviour': graph.behave(value); return {};
      case 'accept': case 'permanent': case 'reject': graph.answer(number, value, word); return {};
      case 'grant': graph.answer(number, value, 'permanent', true); return {};
      default: return { error: 'unknown' };
    }
  } catch (error) {
    return { error: (error as Error).message };
  }
}

function say(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function checked(text: string): string {
  try {
    parseGraphBehaviour(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return text;
}
