import { statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { noBrowser, openBrowser, openPage } from '../../test/helpers/browser.js';
import { number } from '../../test/helpers/service.js';
import { openStage, pause } from '../../test/scenario/harness.js';

const folder = join(import.meta.dirname, '../../docs/pictures');
const most = 150_000;

if (noBrowser !== false) {
  console.error(noBrowser);
  process.exit(1);
}
await mkdir(folder, { recursive: true });
let answer = 'tone';
const stage = await openStage({
  peers: { pbx: { answer: () => answer, config: { health: { interval: 5 } } }, clinic: { config: { health: { interval: 5 }, sources: ['127.0.1.1/32'] } } },
  overlay: { routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] }], numbers: { '+447700900002': { password: 'another-one', keying: 'dtls' } } },
});
const browser = await openBrowser();
try {
  const url = `http://${stage.running.service.http}/`;
  const users = [];
  for (const [nth, how] of ['tone', 'busy', 'tone', 'status=503', 'tone', 'status=488', 'tone'].entries()) {
    answer = how;
    const user = stage.user({ from: `+4477009001${10 + nth}` });
    users.push(user);
    if (await user.place() === 200 && nth < 3) {
      await pause(1200);
      await user.hangUp();
    }
  }
  const stranger = stage.user({ from: '+447700900131', password: 'an-old-one' });
  await stranger.place();
  answer = 'ring';
  const ringing = stage.user({ from: '+447700900132' });
  void ringing.place();

  const shot = async (page: Page, name: string): Promise<void> => {
    const path = join(folder, `live-page-${name}.png`);
    await page.screenshot({ path });
    const { size } = statSync(path);
    console.log(`${path}: ${size} bytes`);
    if (size > most) throw new Error(`${path} is over ${most} bytes`);
  };
  const open = async (options: Parameters<typeof openPage>[1]): Promise<Page> => {
    const { page } = await openPage(browser, { reducedMotion: 'reduce', ...options });
    await page.goto(url);
    await page.getByText('live', { exact: true }).waitFor();
    await page.getByText(/^(good|fair|poor) \d/).first().waitFor();
    return page;
  };
  const page = await open({ viewport: { width: 1000, height: 640 } });
  await shot(page, 'calls');
  await page.getByRole('link', { name: '+4477' }).first().click();
  await page.getByText(/^Packets a second to us/).waitFor();
  await pause(10_000);
  await page.setViewportSize({ width: 1000, height: 1500 });
  await shot(page, 'call');
  await page.setViewportSize({ width: 1000, height: 640 });
  await page.getByRole('button', { name: 'INVITE 6001' }).click();
  await page.getByRole('dialog').waitFor();
  await shot(page, 'message');
  await page.keyboard.press('Escape');
  for (const [view, ready] of [['Failures', 'auth.failed'], ['Today', 'since midnight'], ['Numbers', 'of 1000'], ['System', 'embedded'], ['Search', 'records.']] as const) {
    await page.getByRole('navigation').getByRole('link', { name: view }).click();
    await page.getByText(ready).first().waitFor();
    await shot(page, view.toLowerCase());
  }
  const phone = await open({ viewport: { width: 360, height: 720 }, colorScheme: 'dark', isMobile: true, hasTouch: true });
  await shot(phone, 'phone');
  await phone.getByRole('link', { name: '+4477' }).first().click();
  await phone.getByRole('button', { name: 'INVITE 6001' }).waitFor();
  await phone.getByRole('heading', { name: 'Ladder' }).scrollIntoViewIfNeeded();
  await phone.evaluate('scrollTo(0, 560)');
  await shot(phone, 'phone-ladder');
  for (const user of [...users, stranger, ringing]) user.close();
} finally {
  await browser.close();
  await stage.close();
}
process.exit(0);
