/** The digits of a page over its picture: a button for each, which shows it in full, and their text. */

import { textOf } from '../text.js';
import { isDoubtful, percent } from './answer.js';
import { labelOf } from './corrections.js';

/** @typedef {import('./picture.js').Picture} Picture */

const HIGHEST = 0.04; // of the pad's side: closer to the top there is no room for a label above the box

const element = (id) => document.getElementById(id);

/** @type {Picture | null} the picture whose boxes are shown */
let boxed = null;

/**
 * Shows the boxes and the text of a picture of several digits; none for any other, or for null.
 * @param {Picture | null} picture
 * @param {(picture: Picture, place: number) => void} select called with the place of a reading whose button was pressed
 */
export function showBoxes(picture, select) {
  const several = picture && picture.readings.length > 1 ? picture : null;
  if (several !== boxed) {
    boxed = several;
    element('boxes').replaceChildren(...(boxed ? boxed.readings.map((_, place) => makeBox(several, place, select)) : []));
    element('text').textContent = boxed ? textOf(boxed.readings) : '';
  }
  [...element('boxes').children].forEach((box, place) => showBox(box, boxed.readings[place], place === boxed.selected));
}

/** Shows the digit that was read, with a question mark if it is doubtful, or the label with which it was kept. */
function showBox(box, reading, selected) {
  const { digit, probability, line, number, refused } = reading;
  const kept = labelOf(reading.pixels);
  const says = refused ? 'no digit' : `${digit}, ${percent(probability)}`;
  box.ariaPressed = String(selected);
  box.ariaLabel = `Line ${line}, number ${number}: ${says}${kept === undefined ? '' : `, kept as ${kept}`}`;
  const doubt = isDoubtful(reading) ? '?' : '';
  box.firstChild.textContent = kept === undefined ? (refused ? '' : `${digit}${doubt}`) : `${kept} ✓`;
}

function makeBox(picture, place, select) {
  const { readings, width, height } = picture;
  const { box: [left, top, right, bottom], refused } = readings[place];
  const button = document.createElement('button');
  const longest = Math.max(width, height);
  const share = (pixels, side) => `${(100 * (pixels + (longest - side) / 2)) / longest}%`;
  const size = (pixels) => `${(100 * pixels) / longest}%`;
  Object.assign(button.style, {
    left: share(left, width), top: share(top, height), width: size(right - left), height: size(bottom - top),
  });
  button.type = 'button';
  button.classList.toggle('refused', refused);
  button.classList.toggle('highest', (longest - height) / 2 + top < HIGHEST * longest);
  button.appendChild(document.createElement('span'));
  button.addEventListener('click', () => select(picture, place));
  return button;
}
