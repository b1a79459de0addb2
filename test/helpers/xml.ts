/** An element as it stands in a document. */
export interface Element { readonly name: string; readonly attributes: Readonly<Record<string, string>>; readonly children: readonly Element[]; readonly text: string }

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Reads a document as strictly as XML 1.0 wants it, without DTDs, comments and CDATA: @throws Error where it is not well-formed. */
export function readXml(document: string): Element {
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(document)) throw new Error('a character that no document may have');
  const text = document.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\s*/, '');
  const open: { name: string; attributes: Record<string, string>; children: Element[]; text: string }[] = [{ name: '', attributes: {}, children: [], text: '' }];
  for (const [whole, tag, words] of text.matchAll(/<([^>]*)>|([^<]+)/g)) {
    const there = open.at(-1)!;
    if (words !== undefined) there.text += plain(words);
    else if (tag!.startsWith('/')) {
      if (there.name !== tag!.slice(1)) throw new Error(`${whole} ends ${there.name}`);
      open.pop();
    } else {
      const parts = /^([A-Za-z][\w.-]*)((?:\s+[A-Za-z][\w.:-]*="[^"<]*")*)\s*(\/?)$/.exec(tag!);
      if (parts === null) throw new Error(`${whole} is no tag`);
      const attributes: Record<string, string> = {};
      for (const [, name = '', value = ''] of parts[2]!.matchAll(/([\w.:-]+)="([^"]*)"/g)) {
        if (name in attributes) throw new Error(`${name} twice`);
        attributes[name] = plain(value);
      }
      const element = { name: parts[1]!, attributes, children: [], text: '' };
      there.children.push(element);
      if (parts[3] === '') open.push(element);
    }
  }
  const [root] = open;
  if (open.length !== 1 || root!.children.length !== 1 || root!.text.trim() !== '' || text.replace(/<[^>]*>|[^<]+/g, '') !== '') throw new Error('not one whole element');
  return root!.children[0]!;
}

function plain(text: string): string {
  return text.replace(/&([^;&]*);?/g, (whole, name: string) => {
    const found = whole.endsWith(';') ? entities[name] : undefined;
    if (found === undefined) throw new Error(`${whole} is no entity`);
    return found;
  });
}

/** Children of this name. */
export function named({ children }: Element, name: string): Element[] {
  return children.filter((child) => child.name === name);
}
