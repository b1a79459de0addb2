// The live page in headless Chromium, with whole calls: each view shows what the service says, and follows it by events.
import t from 'tap';
import type { Browser, Page } from 'playwright-core';
import { noBrowser, openBrowser, openPage } from '../../helpers/browser.js';
import { number } from '../../helpers/service.js';
import { openStage } from '../harness.js';
import { id, showing, startPage } from './rig.js';

const user = '+447700900101';
const masked = '+4477******01';
const skip = noBrowser;
let browser: Browser;
t.before(async () => { if (skip === false) browser = await openBrowser(); });
t.teardown(() => browser?.close());

async function go(page: Page, view: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name: view }).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
}

t.test('calls up, ended and failed: each view shows what the service says, and follows it without a reload', { skip }, async (t) => {
  let answer = 'echo';
  const stage = await openStage({ peers: { pbx: { answer: () => answer } }, overlay: { routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] }] } });
  t.teardown(() => stage.close());
  const { page, complaints } = await openPage(browser, { viewport: { width: 1100, height: 800 } });
  const loads: string[] = [];
  page.on('request', (request) => { if (!request.url().startsWith(`http://${stage.running.service.http}/`)) loads.push(request.url()); });
  await page.goto(`http://${stage.running.service.http}/`);
  await page.getByText('live', { exact: true }).waitFor();
  await page.getByText('No call is up.').waitFor();
  await page.evaluate('globalThis.stays = true');

  // Long enough to be seen ringing on a machine that is busy with other things.
  answer = 'delay=4';
  const caller = stage.user({ from: user, displayName: '<b onclick=alert(1)>Alice' });
  const placed = caller.place();
  const row = page.getByRole('row').filter({ hasText: masked });
  await row.getByText('ringing').waitFor();
  t.equal(await placed, 200);
  await row.getByText('answered').waitFor();
  const cells = (await row.getByRole('cell').allInnerTexts()).map((text) => text.trim());
  t.same(cells.slice(0, 4), [number, '6001@pbx', 'from the user', 'answered']);
  t.match(await page.locator('#count-up').innerText(), /^1$/);
  await row.getByText(/^(good|fair|poor) \d\.\d$/).waitFor();

  await row.getByRole('link').click();
  const invite = page.getByRole('button', { name: 'INVITE 6001 +sdp, from wa-b2bua to pbx' });
  await invite.click();
  const dialog = page.getByRole('dialog');
  t.match(await dialog.innerText(), /INVITE sip:6001@127\.0\.0\.1/);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /^INVITE \+447700900001 \+sdp, from Meta to wa-b2bua/ }).last().click();
  const message = await dialog.innerText();
  t.match(message, /<b onclick=alert\(1\)>Alice/, 'as the caller wrote it');
  t.match(message, /inline:…/);
  t.notMatch(message, /447700900101|response="[0-9a-f]/, 'secrets and the number are hidden');
  await page.keyboard.press('Escape');
  const packets = page.getByRole('row').filter({ hasText: 'Packets to us' }).getByRole('cell').first();
  const before = Number(await packets.innerText());
  await page.waitForFunction((least) => Number((globalThis as unknown as { document: { querySelector(what: string): { innerText: string } } }).document.querySelector('tr:nth-child(3) td').innerText) > least, before);
  await page.getByText(/^Packets a second to us/).waitFor();
  const buttons = page.locator('.ladder li button');
  const [ladder] = [(await (await fetch(`http://${stage.running.service.http}/v1/calls`)).json() as { calls: { id: string }[] }).calls[0]!.id].map((call) => stage.running.service.ladder(call));
  t.equal(await buttons.count(), ladder!.trimEnd().split('\n').length - 1, 'a button for each message');
  await caller.hangUp();
  await page.getByText('Ended by user: hangup, 200').waitFor();
  await page.getByRole('button', { name: /^BYE .*from Meta to wa-b2bua/ }).waitFor();

  await go(page, 'Calls');
  await page.getByText('No call is up.').waitFor();
  await go(page, 'Failures');
  await page.getByText('0 of the last 1 calls.').waitFor();
  const stranger = stage.user({ from: '+447700900102', password: 'not-this-one' });
  t.equal(await stranger.place(), 403);
  const failed = page.getByRole('row').filter({ hasText: '+4477******02' });
  await failed.getByText('policy auth.failed 403').waitFor();
  await failed.getByText('compare numbers.*.password with sip_user_password at Meta').waitFor();
  answer = 'status=503';
  const second = stage.user({ from: '+447700900103' });
  t.equal(await second.place(), 480);
  await page.getByRole('row').filter({ hasText: '+4477******03' }).getByText(/^peer unreachable 503$/).waitFor();
  await page.getByText('2 of the last 3 calls.').waitFor();

  await go(page, 'Today');
  await page.getByText('Of the call records since midnight.').waitFor();
  await page.getByRole('row').filter({ hasText: 'user hangup' }).waitFor();
  t.match(await page.locator('.cards').innerText(), /Calls\s+3\s+Answered\s+1\s+Answer rate\s+33 %/);
  await page.getByText('As a table').press('Enter');
  await page.getByRole('table', { name: 'Calls by the hour' }).waitFor();
  await go(page, 'Numbers');
  await page.getByRole('row').filter({ hasText: number }).getByText('0 of 1000', { exact: true }).waitFor();
  await go(page, 'System');
  await page.getByRole('row').filter({ hasText: 'media embedded' }).getByText('up', { exact: true }).waitFor();
  await go(page, 'Search');
  await page.getByText('3 records.').waitFor();
  await page.getByLabel('User').fill(user);
  await page.getByLabel('User').press('Enter');
  await page.getByText('1 records.').waitFor();
  await page.getByRole('row').filter({ hasText: masked }).getByText('user hangup 200').waitFor();
  await page.getByLabel('Business number').fill('nonsense');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText(/number of the query is not as described: business number, E\.164 with \+/).waitFor();

  t.ok(await page.evaluate('globalThis.stays'), 'never loaded anew');
  t.same(complaints.filter((text) => !/status of 400/.test(text)), []);
  t.same(loads, [], 'nothing from elsewhere');
  for (const one of [caller, stranger, second]) one.close();
});

t.test('by keyboard alone: to a view, to a call, to a message and back', { skip }, async (t) => {
  const { url } = await startPage(t, showing('Alice'));
  const { page } = await openPage(browser, { viewport: { width: 1000, height: 800 } });
  await page.goto(url);
  await page.getByRole('row').getByText('answered').waitFor();
  const focused = async (): Promise<string> => String(await page.evaluate('document.activeElement.innerText'));
  const tabTo = async (text: string): Promise<void> => {
    for (let presses = 0; presses < 20; presses++) {
      if ((await focused()) === text) return;
      await page.keyboard.press('Tab');
    }
    t.fail(`${text} cannot be reached; the focus is on ${await focused()}`);
  };
  await page.keyboard.press('Tab');
  t.equal(await focused(), 'Skip to content', 'first of all');
  await page.keyboard.press('Enter');
  t.equal(await page.locator('main:focus').count(), 1);
  await page.keyboard.press('Tab');
  t.equal(await focused(), 'Alice', 'the link of the first call');
  await page.keyboard.press('Enter');
  await page.locator('h1:focus').getByText('Call', { exact: true }).waitFor();
  await page.locator('.ladder li button').first().waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('1 of 2').waitFor();
  await page.keyboard.press('ArrowRight');
  await page.getByText('2 of 2').waitFor();
  await page.keyboard.press('Escape');
  t.equal(await page.locator('.ladder li:first-child button:focus').count(), 1, 'back where it was opened');
  await page.keyboard.press('Shift+Tab');
  await page.evaluate('document.querySelector("nav a").focus()');
  await tabTo('Failures');
  await page.keyboard.press('Enter');
  await page.locator('h1:focus').getByText('Recent failures').waitFor();
  t.equal(await page.locator('nav a[aria-current="page"]').innerText(), 'Failures');
  await page.evaluate('document.querySelector("nav a").focus()');
  await tabTo('System');
  t.not(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'none', 'the focus is seen');
});

t.test('on a phone nothing is cut off; light and dark can be read', { skip }, async (t) => {
  const { url } = await startPage(t, showing('A.long.name_of_somebody+447700900101@somewhere.example.net'));
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page } = await openPage(browser, { viewport: { width: 360, height: 740 }, colorScheme, hasTouch: true, isMobile: true });
    await page.goto(url);
    await page.getByText('live', { exact: true }).waitFor();
    for (const view of ['#calls', `#call/${id}`, '#failures', '#today', '#numbers', '#system', '#records']) {
      await page.evaluate(`location.hash = ${JSON.stringify(view)}`);
      await page.locator('main').getByText('A.long.name').first().waitFor();
      t.same(await page.evaluate(`[...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > 361).map((one) => one.tagName + ' ' + one.className)`), [], `${view} is no wider than the phone`);
      const faint = await page.evaluate(faintTexts) as string[];
      t.same(faint, [], `${view}, ${colorScheme}: every text has a contrast of 4.5`);
    }
  }
});

/** Texts whose contrast to what is behind them is under 4.5 (WCAG 2.2 §1.4.3). */
const faintTexts = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => { for (let one = element; one; one = one.parentElement) { const color = rgba(getComputedStyle(one).backgroundColor); if (color[3] === 255) return color; } return [255, 255, 255]; };
  return [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')).flatMap((one) => {
    const style = getComputedStyle(one);
    const [a, b] = [light(rgba(one instanceof SVGElement ? style.fill : style.color)), light(behind(one))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05) < 4.5 ? [one.tagName + ' ' + one.textContent.slice(0, 30)] : [];
  });
})()`;
