import { type Command, InvalidArgumentError, Option } from 'commander';
import { AGENT_BEHAVIOUR_HELP, parseAgentBehaviour, startAgent } from '../simulator/index.js';

interface AgentFlags { listen: string; dialect: 'twilio' | 'jambonz' | 'raw'; behaviour: string; tone: number; cert?: string; key?: string; json?: boolean }

/** `wa-b2bua simulate agent`: a voice agent behind a WebSocket, until it is ended. */
export function registerAgent(simulate: Command): void {
  simulate.command('agent')
    .description('play a voice agent behind a WebSocket: echo, speak, listen, press digits, transfer, hang up')
    .option('--listen <host:port>', 'where sockets are taken', '127.0.0.1:9000')
    .addOption(new Option('--dialect <dialect>', 'as peers.*.dialect').choices(['twilio', 'jambonz', 'raw']).default('twilio'))
    .option('--behaviour <words>', 'what it does', words, 'echo')
    .option('--tone <hz>', 'its tone', hertz, 700)
    .option('--cert <file>', 'certificate, for wss (PEM)')
    .option('--key <file>', 'its key (PEM)')
    .option('--json', 'print whole reports')
    .addHelpText('after', `\nWhat it does, words joined by commas:\n${AGENT_BEHAVIOUR_HELP.map((line) => `  ${line}`).join('\n')}`)
    .action(async ({ json, ...options }: AgentFlags) => {
      const agent = await startAgent(options);
      const say = (value: object): void => { process.stdout.write(`${JSON.stringify(value)}\n`); };
      say({ ready: true, url: agent.url, dialect: options.dialect });
      agent.on('conversation', (conversation) => { conversation.once('start', (call) => { say({ call }); }); });
      agent.on('refused', (status) => { say({ refused: status }); });
      agent.on('ended', (conversation) => {
        const report = conversation.report();
        const { tone, frames, maxGapMs, digits, marks, transfers, endedBy, faults } = report;
        say(json === true ? report : { ended: endedBy, frames, maxGapMs, tones: tone?.frequencies ?? [], digits, marks: marks.length, transfers, faults });
      });
      await new Promise<void>((resolve) => {
        process.once('SIGINT', () => { resolve(); });
        process.once('SIGTERM', () => { resolve(); });
      });
      await agent.close();
    });
}

function words(text: string): string {
  try {
    parseAgentBehaviour(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return text;
}

function hertz(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 4000)) throw new InvalidArgumentError('a frequency in Hz, below 4000');
  return value;
}
