// The slower half of every-wrong-key-gives-one-clear-line.test.ts.
import t from 'tap';
import { parseDocument, stringify, type Node, type YAMLMap } from 'yaml';
import { formatFault } from '../../../lib/config/faults.js';
import { faultsOf, fullDocument, setAt, steps } from './documents.js';
import { keys } from './everyKey.js';

/** Free text and keys that may be null. */
function allowed(path: string, value: unknown): boolean {
  if (value === null && path.startsWith('node.')) return true;
  if (value === null) return /^(sip\.(advertise|tls)\.|meta\.(ca|address|sourcesFile)$|(^|\.)music$|policy\.audit|http\.(listen|phoneServer)|api\.(listen|sounds)$|cdr\.(file|index|rates|sinks\[0\]\.(http|authorization|syslog)))|^media\.(rtpengine\.)?(interface\.(meta|peers)|ports)$|(^|\.)music$|\.country$|\.payload$|\.downMessage$|\.(record|siprec)\.(announce|pauseKey)$|^recording\.upload\.(presign|authorization)$|^(routes|menus|queues|voicemail)\b.*\.(hours|menu|queue|voicemail|play|status|wrong|repeat|file|greeting|confirm|refused)$|\.auth\.|\.id$|\.passwordFile$|^numbers\..*\.domain$|\.lookup\.authorization$|\.settings\.(callback|hours|icon)$|^graph\.(waba|appId)$|\.permissionRequest\.|webhooks\.voicemail|hep\.(password|ca)|^traces\.authorization$|\.accounts\.6001\.(maxConcurrentCalls|callsPerDay|srtp)$|(bot|tee)\.(sampleRate|tls\.ca)$/.test(path);
  return typeof value === 'string' && value !== ''
    && /(secret|password|username|[cC]ert|[kK]ey|ca|program|music|downMessage|announce|recording\.directory|prompt|play|wrong|greeting|confirm|refused|directory|places\[0\]|pstn|audit|file|sourcesFile|users\[0\]|payload|permissionRequest\.text|appSecret\[0\]|verifyToken|voicemail|sounds|cdr\.index|rates)$/.test(path);
}

t.test('a scalar that is out of its range', (t) => {
  for (const key of keys.filter((k) => k.kind === 'scalar')) {
    for (const value of ['', -1, '\u0000 no such thing \u0001', null]) {
      // Without it a peer is a SIP peer, which lacks much else.
      if (key.path === 'peers.bot.websocket' && value === null) continue;
      const tree = fullDocument();
      setAt(tree, key.path, value);
      const faults = faultsOf(stringify(tree));
      if (faults.length === 0) {
        t.ok(allowed(key.path, value), `${key.path} = ${JSON.stringify(value)} is accepted`);
        continue;
      }
      t.equal(faults.length, 1, `${key.path} = ${JSON.stringify(value)}: ${JSON.stringify(faults)}`);
      // null for one of two keys that go together is told at the mapping that holds both.
      t.ok(key.path === faults[0]!.path || key.path.startsWith(`${faults[0]!.path}.`), faults[0]!.path);
      const line = formatFault('f.yaml', faults[0]!);
      t.match(line, /^f\.yaml:[0-9]+: [a-zA-Z]/);
      t.notMatch(line, /\n|undefined|\[object/);
    }
  }
  t.end();
});

t.test('a key that is there twice, in every mapping', (t) => {
  const repeated = keys.filter((k) => !k.path.endsWith(']'));
  t.ok(repeated.length > 90);
  for (const key of repeated) {
    const doc = parseDocument(stringify(fullDocument()), { uniqueKeys: false });
    const at = steps(key.path);
    const parent = (at.length === 1 ? doc.contents : doc.getIn(at.slice(0, -1), true)) as YAMLMap;
    const pair = parent.items.find(({ key: name }) => String(name) === at.at(-1));
    if (pair === undefined) {
      t.fail(`${key.path} is not in the document`);
      continue;
    }
    parent.items.push(doc.createPair(at.at(-1), (pair.value as Node).toJS(doc)));
    const faults = faultsOf(String(doc));
    t.same(faults.map((f) => f.path), [key.path]);
    t.match(faults[0]?.message, /^is there twice, first on line [0-9]+$/);
  }
  t.end();
});
