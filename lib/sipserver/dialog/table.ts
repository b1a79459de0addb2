// All dialogs, found by their tags or by drachtio's name.
import { tagOf } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import { dialogKey } from './dialog.js';
import type { Dialog } from './dialog.js';

export class DialogTable<D extends Dialog> {
  private readonly byKey = new Map<string, D>();
  private readonly byId = new Map<string, D>();

  get size(): number {
    return this.byKey.size;
  }

  /** A confirmed dialog takes drachtio's name from early forks of the same INVITE. */
  add(dialog: D): void {
    this.byKey.set(dialog.key, dialog);
    const named = this.byId.get(dialog.id);
    if (named === undefined || named.ended || !named.confirmed) this.byId.set(dialog.id, dialog);
  }

  remove(dialog: D): void {
    if (this.byKey.get(dialog.key) === dialog) this.byKey.delete(dialog.key);
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

  all(): D[] {
    return [...this.byKey.values()];
  }
}
