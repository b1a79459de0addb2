import { destinationOf, orNowhere, type Destination } from '../config/destinations.js';
import type { MenuConfig } from '../config/types.js';
import { ended } from '../call/termination.js';
import { during, say, wait, type Line } from './line.js';

/** Steps of a menu that a record keeps. */
const mostSteps = 64;
/** How often a menu is repeated by key; more is a key that hangs. */
const mostRepeats = 20;

/** What a user did who was asked: pressed a key, or none; 'mute': the question cannot be heard, and there is a place for who makes no choice. */
type Answer = { readonly key: string | null } | 'mute';

/**
 * Asks the user until a key leads somewhere: each wrong key and each time-out uses a try. Answers Meta.
 * @returns where the call goes; null: it is over
 */
export async function runMenu(line: Line, name: string): Promise<Destination | null> {
  const { call, keys } = line;
  const menu = Object.hasOwn(line.config.menus, name) ? line.config.menus[name] : undefined;
  // The loader refuses names that are not there.
  if (menu === undefined) throw new Error(`no menu is called ${name}`);
  if (!await line.accept()) return null;
  await line.heard();
  let repeats = 0;
  for (let left = menu.tries; left > 0 && !call.over;) {
    const answer = await ask(line, name, menu);
    if (call.over) break;
    // Without its prompt few know what to press.
    if (answer === 'mute') return noChoice(line, name, menu);
    const { key } = answer;
    if (call.facts.menu.length < mostSteps) call.facts.menu.push({ menu: name, key });
    call.news();
    if (key !== null && key === menu.repeat && repeats < mostRepeats) {
      repeats += 1;
      continue;
    }
    const exit = key !== null && Object.hasOwn(menu.keys, key) ? menu.keys[key] : undefined;
    if (exit !== undefined) return destinationOf(exit);
    left -= 1;
    if (key === null) continue;
    // What was pressed behind a wrong key was meant for another place.
    keys.forget();
    if (menu.wrong !== null && left > 0) await tell(line, menu.wrong, `menus.${name}.wrong`);
  }
  return call.over ? null : noChoice(line, name, menu);
}

/** Plays the prompt, which any key stops, and waits for a key behind it. */
async function ask(line: Line, name: string, { prompt, timeout, otherwise }: MenuConfig): Promise<Answer> {
  const { call, keys } = line;
  const ahead = keys.ahead();
  if (ahead !== null) return { key: ahead };
  let mute = false;
  const key = await during(line, say(line, prompt, `menus.${name}.prompt`).then((played) => { mute = !played; }));
  if (key !== null || call.over) return { key };
  if (mute && otherwise !== null) return 'mute';
  const time = wait(call, timeout * 1000);
  try {
    return { key: await keys.next(time.over) };
  } finally {
    time.close();
  }
}

/** Plays what is no question; a key stops it, and is kept for the question behind. */
async function tell(line: Line, file: string, what: string): Promise<void> {
  const key = await during(line, say(line, file, what));
  if (key !== null) line.keys.putBack(key);
}

function noChoice({ call }: Line, name: string, menu: MenuConfig): Destination | null {
  const to = orNowhere(menu.otherwise);
  if (to === null) call.end(ended.noChoice(name));
  return to;
}
