// Listeners of /v1/events: node ears.js '{"api":"HOST:PORT","token":…,"count":N}'. Prints a line when all hear, and, when its input ends, one with what they heard.
// Each second one of them hangs up and comes back with Last-Event-ID, as after a change of network.
import { request } from 'node:http';
import { setPriority } from 'node:os';

const { api, token, count } = JSON.parse(process.argv[2]);
// Listeners have machines of their own: the calls come first here.
setPriority(10);

class Ear {
  events = 0;
  lost = 0;
  disorder = 0;
  returns = 0;
  #seq = null;
  #id = null;
  #rest = '';
  #ofCalls = new Map();
  #request = null;

  listen() {
    return new Promise((resolve, reject) => {
      this.#request = request(`http://${api}/v1/events`, { headers: { authorization: `Bearer ${token}`, ...(this.#id === null ? {} : { 'last-event-id': this.#id }) }, agent: false }, (response) => {
        if (response.statusCode !== 200) { reject(new Error(`${response.statusCode}`)); return; }
        response.setEncoding('utf8').on('data', (text) => this.#read(text)).on('error', () => undefined);
        resolve();
      }).on('error', reject);
      this.#request.end();
    });
  }

  async comeBack() {
    // Without an id of an event there is nothing to go on from.
    if (this.#id === null) return;
    this.#request.destroy();
    this.#rest = '';
    this.returns++;
    await this.listen();
  }

  #read(text) {
    const pieces = (this.#rest + text).split('\n\n');
    this.#rest = pieces.pop();
    for (const piece of pieces) {
      const data = /^data: ?(.*)$/m.exec(piece)?.[1];
      if (data === undefined) continue;
      const { id, seq, type, call } = JSON.parse(data);
      if (type === 'events.gap') { this.lost++; continue; }
      if (this.#seq !== null && seq !== this.#seq + 1) this.lost += Math.abs(seq - this.#seq - 1);
      this.#seq = seq;
      this.#id = id;
      this.events++;
      if (call === undefined) continue;
      const step = ['call.received', 'call.created', 'call.ringing', 'call.answered', 'call.ended'].indexOf(type);
      if (step < 0) continue;
      if (step < (this.#ofCalls.get(call) ?? 0)) this.disorder++;
      if (type === 'call.ended') this.#ofCalls.delete(call);
      else this.#ofCalls.set(call, step);
    }
  }

  close() { this.#request.destroy(); }
}

const ears = Array.from({ length: count }, () => new Ear());
await Promise.all(ears.map((ear) => ear.listen()));
console.log('{}');
let turn = 0;
const again = setInterval(() => { void ears[turn++ % count].comeBack(); }, 1000);
process.stdin.resume();
await new Promise((resolve) => process.stdin.once('end', resolve));
clearInterval(again);
// What is on its way.
await new Promise((resolve) => setTimeout(resolve, 2000));
// What one heard, all should have: whatever is missing at the end has no gap in the numbers.
const most = Math.max(...ears.map((ear) => ear.events));
for (const ear of ears) ear.lost = Math.max(ear.lost, most - ear.events);
const sum = (key) => ears.reduce((total, ear) => total + ear[key], 0);
console.log(JSON.stringify({ events: sum('events'), lost: sum('lost'), disorder: sum('disorder'), returns: sum('returns') }));
for (const ear of ears) ear.close();
