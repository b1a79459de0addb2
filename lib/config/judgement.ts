/** What is found of a file that the configuration names, by the key that names it. */
export interface Judgement {
  /** Key path in the configuration. */
  readonly key: string;
  /** 'fail': calls will not work; 'warn': they do, for now. */
  readonly level: 'ok' | 'warn' | 'fail';
  /** missing: not here, or not for this user; bad: of no use anywhere, and the service does not start with it; unfit: it is what it should be, but Meta will not take it. */
  readonly kind: 'fine' | 'missing' | 'bad' | 'unfit' | 'poor';
  readonly text: string;
  /** What to do about it; null when there is nothing to do. */
  readonly todo: string | null;
}

export function fine(key: string, text: string): Judgement {
  return { key, level: 'ok', kind: 'fine', text, todo: null };
}

export function poor(key: string, text: string, todo: string): Judgement {
  return { key, level: 'warn', kind: 'poor', text, todo };
}

export function missing(key: string, text: string, todo: string): Judgement {
  return { key, level: 'fail', kind: 'missing', text, todo };
}

export function bad(key: string, text: string, todo: string): Judgement {
  return { key, level: 'fail', kind: 'bad', text, todo };
}

export function unfit(key: string, text: string, todo: string): Judgement {
  return { key, level: 'fail', kind: 'unfit', text, todo };
}

/** The sentence in an error: its code is shorter and better known than its message. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
