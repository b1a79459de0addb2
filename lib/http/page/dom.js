// Elements out of text. Whatever others wrote goes through here and stays text: nothing on this page is ever read as HTML.

/** Control characters and those that turn the writing direction, as lib/observe/printable.ts has them: shown, not done. */
const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** @param {unknown} value */
function shown(value) {
  return String(value ?? '').replace(unprintable, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * An element with attributes (`on…`: a listener; null and false: left out) and children: elements, or text.
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...unknown} children
 */
export function el(tag, attributes = {}, ...children) {
  return made(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
export function svg(tag, attributes = {}, ...children) {
  return made(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : shown(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : shown(child))));
  return element;
}

/** Puts other text where it has changed. */
export function setText(element, text) {
  const next = shown(text);
  if (element.textContent !== next) element.textContent = next;
}

/** Puts these in place of all children. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : shown(child))));
}
