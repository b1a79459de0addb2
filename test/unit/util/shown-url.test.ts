import t from 'tap';
import { shownUrl } from '../../../lib/util/shownUrl.js';

t.test('what may be a secret in a URL is not shown: query, and keys in its path', (t) => {
  for (const [url, shown] of [
    ['https://crm.example.net/wa?key=s3cret', 'https://crm.example.net/wa'], ['http://127.0.0.1:8080/api/v2/wa-events/', 'http://127.0.0.1:8080/api/v2/wa-events/'],
    ['https://hooks.example.net/services/T0AAAAAAA/B0BBBBBBB/abcDEF123ghi456', 'https://hooks.example.net/services/…/…/…'],
    ['https://auto.example.net/webhook/3f1c9a52-6c1b-4b8e-9d6e-2a0f6b1c7d11', 'https://auto.example.net/webhook/…'], ['https://x.example/abcdefghijklmnopqrstuvwxyz', 'https://x.example/…'],
    ['https://x.example', 'https://x.example/'], ['https://x.example/%73ecret#frag', 'https://x.example/…'],
  ]) t.equal(shownUrl(url ?? ''), shown);
  t.end();
});
