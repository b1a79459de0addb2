/** What an agent does by itself. */
export interface AgentBehaviour {
  /** What the user hears: what they said, a tone without end, or what orders say. */
  source: 'echo' | 'tone' | 'listen';
  /** With a tone: it ends after so many milliseconds; undefined: never. */
  toneMs: number | undefined;
  /** HTTP status by which the socket is refused. */
  refuse: number | undefined;
  /** Milliseconds until the request is answered; Infinity: never. */
  slowMs: number;
  press: string;
  /** Milliseconds after the start. */
  hangUpMs: number | undefined;
  transfer: { peer: string; user: string } | undefined;
}

export const AGENT_BEHAVIOUR_HELP = [
  'echo                what the user says comes back',
  'tone | tone=SECONDS a tone, without end or for so long',
  'listen              nothing is said (default)',
  'press=DIGITS        presses digits, a second after the start',
  'hangup=SECONDS      hangs up so long after the start',
  'transfer=PEER/USER  gives the user to somebody else, a second after the start',
  'refuse=STATUS       refuses the socket with this HTTP status',
  'slow=SECONDS        answers the request so late',
  'vanish              never answers it',
] as const;

/** Reads words joined by commas, e.g. `tone=2,hangup=5`. Throws an Error that names the first unknown word. */
export function parseAgentBehaviour(text: string): AgentBehaviour {
  const behaviour: AgentBehaviour = { source: 'listen', toneMs: undefined, refuse: undefined, slowMs: 0, press: '', hangUpMs: undefined, transfer: undefined };
  for (const part of text.split(',')) {
    const [word = '', value = ''] = part.trim().split(/=(.*)/s);
    if (!apply(behaviour, word, value)) throw new Error(`unknown behaviour: ${part.trim()}`);
  }
  return behaviour;
}

function apply(behaviour: AgentBehaviour, word: string, value: string): boolean {
  const ms = value === '' ? NaN : Number(value) * 1000;
  switch (word) {
    case 'echo': case 'listen': behaviour.source = word; return value === '';
    case 'tone':
      behaviour.source = 'tone';
      behaviour.toneMs = value === '' ? undefined : ms;
      return value === '' || ms > 0;
    case 'press': behaviour.press = value; return /^[0-9*#A-D]+$/.test(value);
    case 'hangup': behaviour.hangUpMs = ms; return ms >= 0;
    case 'slow': behaviour.slowMs = ms; return ms >= 0;
    case 'vanish': behaviour.slowMs = Infinity; return value === '';
    case 'refuse': behaviour.refuse = Number(value); return behaviour.refuse >= 300 && behaviour.refuse < 600;
    case 'transfer': {
      const [peer = '', user = ''] = value.split('/');
      behaviour.transfer = { peer, user };
      return peer !== '' && user !== '';
    }
    default: return false;
  }
}
