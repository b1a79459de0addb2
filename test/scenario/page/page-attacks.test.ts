// The live page against what others write, against guesses, and through a restart: the real HTTP server, headless Chromium, and hostile words in every field.
import t from 'tap';
import type { Browser } from 'playwright-core';
import type { ApiToken } from '../../../lib/http/api/tokens.js';
import { noBrowser, openBrowser, openPage } from '../../helpers/browser.js';
import { id, showing, startPage } from './rig.js';

const skip = noBrowser;
let browser: Browser;
t.before(async () => { if (skip === false) browser = await openBrowser(); });
t.teardown(() => browser?.close());

const views = ['#calls', `#call/${id}`, '#failures', '#today', '#numbers', '#system', '#records'];
const hostile = '"><img src=x onerror=alert(1)><script>alert(2)</script>\'<svg onload=alert(3)>javascript:alert(4)\r\n{{nonce}}\u202egnp.exe\u0000';

t.test('what others write is text in every view, whatever it is', { skip }, async (t) => {
  const { url, bus } = await startPage(t, showing(hostile));
  const { page, complaints } = await openPage(browser, { viewport: { width: 1000, height: 800 } });
  await page.goto(url);
  await page.getByText('live', { exact: true }).waitFor();
  bus.tell('number.changed', null, { number: hostile, warning: hostile });
  for (const view of views) {
    await page.evaluate(`location.hash = ${JSON.stringify(view)}`);
    await page.locator('main').getByText('<script>alert(2)</script>').first().waitFor();
    const seen = page.locator('main');
    t.match(await seen.innerText(), /"><img src=x onerror=alert\(1\)><script>alert\(2\)<\/script>/, `${view} shows it as it is`);
    t.notMatch(await seen.innerText(), /\u202e/, `${view} does not turn the writing`);
    t.equal(await page.locator('img, script:not([nonce]), main svg:not(.chart), iframe, [onerror], [onload]').count(), 0, `${view} has no element of theirs`);
    t.notOk(await page.locator('a[href^="javascript:"]').count());
  }
  await page.evaluate(`location.hash = '#call/${id}'`);
  await page.locator('.ladder li button').first().click();
  t.match(await page.getByRole('dialog').innerText(), /<script>alert\(2\)/);
  await page.keyboard.press('Escape');
  // An id that is none, and a view that is none.
  for (const hash of ['#call/%3Cimg src=x onerror=alert(5)%3E', '#call/..%2f..%2fstatus', '#__proto__', '#constructor/x', '#call/%']) {
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
    await page.locator('h1').waitFor();
  }
  // The service is not ready, as it was told to say: 503.
  t.same(complaints.filter((text) => !/status of 503/.test(text)), [], 'nothing was run, refused or broken');
});

t.test("the page's policy would stop what the page let through", { skip }, async (t) => {
  const { url } = await startPage(t, showing('x'));
  const { page, complaints } = await openPage(browser);
  await page.goto(url);
  await page.getByText('live', { exact: true }).waitFor();
  // In the page's own words: what comes from outside it, as of a debugger, has no policy.
  const outcomes = await page.evaluate(`(async () => {
    const attempt = (what) => { try { what(); return 'done'; } catch (error) { return error.name; } };
    const results = [attempt(() => { document.body.innerHTML = '<img src=x onerror="hit=true">'; }), attempt(() => { setTimeout('hit = true'); })];
    const button = document.createElement('button');
    results.push(attempt(() => { button.setAttribute('onclick', 'hit = true'); }));
    document.body.append(button);
    button.click();
    const script = document.createElement('script');
    results.push(attempt(() => { script.src = '/page/dom.js'; }));
    results.push(await fetch('http://127.0.0.1:9/').then(() => 'done', (error) => error.name));
    return { results, hit: globalThis.hit ?? false };
  })()`) as { results: string[]; hit: boolean };
  t.equal(outcomes.hit, false);
  t.same(outcomes.results.map((result) => result !== 'done'), [true, true, true, true, true], outcomes.results.join());
  t.ok(complaints.some((text) => /Content.Security.Policy/i.test(text)), 'the browser says why');
});

t.test('beyond loopback: a form, a cookie that no script sees, and back to the form when the token is taken', { skip }, async (t) => {
  const token = 'a-token-of-32-characters-0123456';
  const tokens: ApiToken[] = [{ name: 'desk', token, scopes: ['read'] }, { name: 'caller', token: `${token}c`, scopes: ['calls'] }];
  const { url } = await startPage(t, showing('Alice'), { tokens });
  const { page } = await openPage(browser);
  const inUrls: string[] = [];
  page.on('request', (request) => inUrls.push(request.url()));
  await page.goto(url);
  const field = page.getByLabel('Token of api.tokens');
  await field.waitFor();
  t.ok(await page.locator('#token:focus').count() === 1, 'one can type at once');
  t.notMatch(await page.content(), /Alice/);
  for (const [wrong, why] of [['nothing-of-ours', 'not in api.tokens'], [`${token}c`, 'no scope read']] as const) {
    await page.keyboard.type(wrong);
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText(why).waitFor();
  }
  await page.keyboard.type(token);
  await page.keyboard.press('Enter');
  await page.getByText('live', { exact: true }).waitFor();
  await page.getByRole('row').getByText('answered').waitFor();
  const [cookie] = await page.context().cookies();
  t.match(cookie, { name: 'wab_page', httpOnly: true, sameSite: 'Strict', expires: -1 });
  t.not(cookie?.value, token);
  t.equal(await page.evaluate('document.cookie'), '');
  await page.reload();
  await page.getByRole('row').getByText('answered').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await field.waitFor();
  t.same(await page.context().cookies(), []);
  await page.keyboard.type(token);
  await page.keyboard.press('Enter');
  await page.getByRole('row').getByText('answered').waitFor();
  tokens.length = 0;
  await page.getByRole('link', { name: 'Failures' }).click();
  await field.waitFor();
  t.notMatch(await page.content(), /Alice/, 'what was shown is gone');
  t.notOk(inUrls.some((one) => one.includes(token)), 'never in a URL');
});

t.test('the service goes and comes back: the page says so, and shows how things stand', { skip }, async (t) => {
  const { url, http } = await startPage(t, showing('before'));
  const { page } = await openPage(browser);
  await page.goto(url);
  await page.getByRole('row').getByText('before').first().waitFor();
  await http.close();
  await page.getByRole('status').getByText('connection lost').waitFor();
  const again = await startPage(t, showing('after'), { listen: http.address });
  await page.getByText('live', { exact: true }).waitFor({ timeout: 15_000 });
  await page.getByRole('row').getByText('after').first().waitFor();
  again.bus.tell('call.ended', id, {});
  t.equal(await page.getByRole('row').getByText('before').count(), 0);
});
