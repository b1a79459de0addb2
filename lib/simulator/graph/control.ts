// What tests and the other stand-ins say to this one, over HTTP below /standin: the clock, users' answers, calls.
import { good, type Answer } from './answers.js';
import { fields, isOneOf, type Fields } from './reading.js';
import type { SimulatedGraph } from './graph.js';

export class Control {
  readonly #graph: SimulatedGraph;

  constructor(graph: SimulatedGraph) {
    this.#graph = graph;
  }

  async answer(order: string, body: Buffer): Promise<Answer> {
    try {
      return good(await this.#obey(order, fields(body.length === 0 ? {} : JSON.parse(body.toString('utf8')))));
    } catch (error) {
      return { status: 400, body: { error: (error as Error).message } };
    }
  }

  async #obey(order: string, sent: Fields): Promise<unknown> {
    const { world, calls } = this.#graph;
    switch (order) {
      case 'clock': world.clock.advance(Number(sent['seconds'] ?? 0) * 1000); return { now: world.clock.seconds() };
      case 'behaviour': this.#graph.behave(text(sent, 'words')); return {};
      case 'answer': {
        const answer = text(sent, 'answer');
        if (answer !== 'accept' && answer !== 'permanent' && answer !== 'reject') throw new Error('answer is accept, permanent or reject');
        this.#graph.answer(text(sent, 'number'), text(sent, 'user'), answer, sent['profile'] === true);
        return {};
      }
      case 'setting': this.#graph.change(text(sent, 'number'), text(sent, 'name'), sent['value']); return {};
      case 'webhooks': return { sent: world.webhooks.sent };
      case 'number': return { number: await calls.number(text(sent, 'number')) ?? null };
      case 'judge': return { refusal: await calls.judge(text(sent, 'number'), text(sent, 'user')) ?? null };
      case 'begun': await calls.begun(call(sent)); return {};
      case 'ended': await calls.ended(call(sent), { status: Number(sent['status'] ?? 0), connectedMs: typeof sent['connectedMs'] === 'number' ? sent['connectedMs'] : null }); return {};
      default: throw new Error('clock, behaviour, answer, setting, webhooks, number, judge, begun or ended');
    }
  }
}

function text(sent: Fields, key: string): string {
  const value = sent[key];
  if (typeof value !== 'string') throw new Error(`${key} is required`);
  return value;
}

function call(sent: Fields): { id: string; number: string; user: string; direction: 'BUSINESS_INITIATED' | 'USER_INITIATED' } {
  const direction = isOneOf(sent['direction'], 'USER_INITIATED') ? 'USER_INITIATED' : 'BUSINESS_INITIATED';
  return { id: text(sent, 'id'), number: text(sent, 'number'), user: text(sent, 'user'), direction };
}
