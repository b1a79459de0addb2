// All dialogs, found by their tags or by drachtio's name.
import { CallIds } from '../transaction/index.js';
import { tagOf } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import { dialogKey } from './dialog.js';
import type { Dialog } from './dialog.js';

export class DialogTable<D extends Dialog> {
  private readonly byKey = new Map<string, D>();
  private readonly byId = new Map<string, D>();
  private readonly callIds = new CallIds();
  /** Early ones of requests of ours: how many there are the far ends choose. */
  private readonly early = new Set<D>();

  /** All but the early dialogs of requests of ours. */
  get standing(): number {
    return this.byKey.size - this.early.size;
  }

  get size(): number {
    return this.byKey.size;
  }

  /** A confirmed dialog takes drachtio's name from early forks of the same INVITE. */
  add(dialog: D): void {
    const before = this.byKey.get(dialog.key);
    if (before === undefined) this.callIds.add(dialog.callId);
    else if (before !== dialog) this.early.delete(before);
    this.byKey.set(dialog.key, dialog);
    if (dialog.role === 'uac' && !dialog.confirmed) this.early.add(dialog);
    else this.early.delete(dialog);
    const named = this.byId.get(dialog.id);
    if (named === undefined || named.ended || !named.confirmed) this.byId.set(dialog.id, dialog);
  }

  remove(dialog: D): void {
    this.early.delete(dialog);
    if (this.byKey.get(dialog.key) === dialog) {
      this.byKey.delete(dialog.key);
      this.callIds.remove(dialog.callId);
    }
    if (this.byId.get(dialog.id) === dialog) this.byId.delete(dialog.id);
  }

  named(id: string): D | undefined {
    return this.byId.get(id);
  }

  /** The confirmed dialog with this Call-ID and local tag, for a client that names it by these alone. */
  ofClient(callId: string, localTag: string): D | undefined {
    const dialog = this.byId.get(`${callId};from-tag=${localTag}`);
    return dialog?.confirmed === true && !dialog.ended && dialog.localTag === localTag ? dialog : undefined;
  }

  find(callId: string, localTag: string | undefined, remoteTag: string | undefined): D | undefined {
    return this.byKey.get(dialogKey(callId, localTag, remoteTag));
  }

  /** The dialog that an incoming request belongs to (RFC 3261 §12.2.2). */
  ofRequest(request: SipMessage): D | undefined {
    return this.find(request.get('call-id') ?? '', tagOf(request.get('to') ?? ''), tagOf(request.get('from') ?? ''));
  }

  /** Whether there is a dialog with this Call-ID. */
  hasCall(callId: string): boolean {
    return this.callIds.has(callId);
  }

  all(): D[] {
    return [...this.byKey.values()];
  }
}
