/** The digits of a page over its picture: a button for each, which shows it in full, and their text. */

import { percent } from './answer.js';

/** @typedef {import('./picture.js').Picture} Picture */

const element = (id) => document.getElementById(id);

/** @type {Picture | null} whose boxes are there */
let boxed = null;

/**
 * Shows the boxes and the text of a picture of several digits; none for any other, or for null.
 * @param {Picture | null} picture
 * @param {(place: number) => void} select called with the place of a reading whose button was pressed
 */
export function showBoxes(picture, select) {
  const several = picture && picture.readings.length > 1 ? picture : null;
  if (several !== boxed) {
    boxed = several;
    element('boxes').replaceChildren(...(boxed ? boxed.readings.map((_, place) => makeBox(boxed, place, select)) : []));
    element('text').textContent = boxed ? textOf(boxed.readings) : '';
  }
  [...element('boxes').children].forEach((box, place) => {
    box.ariaPressed = String(place === boxed.selected);
  });
}

function makeBox({ readings, width, height }, place, select) {
  const { box: [left, top, right, bottom], digit, probability, line, number, refused } = readings[place];
  const button = document.createElement('button');
  const longest = Math.max(width, height);
  const share = (pixels, side) => `${(100 * (pixels + (longest - side) / 2)) / longest}%`;
  Object.assign(button.style, { left: share(left, width), top: share(top, height) });
  Object.assign(button.style, { width: `${(100 * (right - left)) / longest}%` });
  Object.assign(button.style, { height: `${(100 * (bottom - top)) / longest}%` });
  const says = refused ? 'no digit' : `${digit}, ${percent(probability)}`;
  Object.assign(button, { type: 'button', ariaLabel: `Line ${line}, number ${number}: ${says}` });
  button.classList.toggle('refused', refused);
  if (!refused) button.appendChild(document.createElement('span')).textContent = digit;
  button.addEventListener('click', () => select(place));
  return button;
}

/** Returns the numbers of a page: a line for each of its lines, with a gap between numbers. */
export function textOf(readings) {
  const lines = new Map();
  for (const { line, number, digit, refused } of readings) {
    if (refused) continue;
    const numbers = lines.get(line) ?? new Map();
    lines.set(line, numbers.set(number, `${numbers.get(number) ?? ''}${digit}`));
  }
  return [...lines.values()].map((numbers) => [...numbers.values()].join(' ')).join('\n');
}
