import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const program = process.env.WAB_CHROMIUM_BIN ?? '/usr/bin/chromium';

/** A reason to skip where there is no Chromium, else false. scripts/test does not install it: it is 350 MB on disk. */
export const noBrowser: string | false = existsSync(program) ? false : 'no chromium is installed (WAB_CHROMIUM_BIN may name it)';

export interface Opened {
  readonly page: Page;
  /** What the page has complained of: exceptions, refused scripts, failed loads. */
  readonly complaints: string[];
}

/** Headless, and with no look-up or connection but to ourselves. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: program, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'] });
}

/** A page of its own cookies. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext(options);
  // A bound against hanging, not a measure: the machine may be busy.
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
  page.on('dialog', (dialog) => {
    complaints.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, complaints };
}

/** The strongest frequency that a page hears now in its element `heard`, Hz; 0: nothing. */
export const hears = (page: Page): Promise<number> => page.evaluate(async () => {
  // Runs in the page, whose names the compiler does not know.
  const { document, AudioContext, AnalyserNode } = globalThis as unknown as Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any
  const stream = document.getElementById('heard').srcObject;
  if (stream === null) return 0;
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 4096 });
  context.createMediaStreamSource(stream).connect(analyser);
  await new Promise((done) => { setTimeout(done, 300); });
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const loudest = bins.reduce((best: number, value: number, at: number) => (value > bins[best]! ? at : best), 0);
  const hertz = bins[loudest]! > -70 ? loudest * context.sampleRate / analyser.fftSize : 0;
  await context.close();
  return hertz;
});
