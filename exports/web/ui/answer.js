/** The output of the page: the digit, ten bars, and the pixels that the network received. */

import { CLASSES, SIDE, THRESHOLD } from '../contract.js';

// Below this probability of the best digit, the page shows "not sure"; `just bench sure` measures how often.
export const SURE = 0.9;

/**
 * @typedef {object} Reading one digit as the network read it
 * @property {number} digit
 * @property {Float32Array | number[]} probabilities of the ten digits
 * @property {number} digitness whether it is a digit at all: 1 surely, 0 surely not
 * @property {boolean} [refused] whether it is considered not to be a digit; by the digitness alone if omitted
 * @property {Uint8Array} pixels the network's input, 28x28
 */

const element = (id) => document.getElementById(id);

/**
 * Formats a probability. It is 100% or 0% only if it is exactly 1 or 0.
 * @param {number} share 0..1
 */
export function percent(share) {
  if (share < 1 && share >= 0.9995) return '>99.9%';
  if (share > 0 && share < 0.0005) return '<0.1%';
  return `${(100 * share).toFixed(1)}%`;
}

/** Makes the ten bars, empty. */
export function makeBars() {
  for (let digit = 0; digit < CLASSES; digit++) {
    const bar = element('bars').appendChild(document.createElement('li'));
    bar.append(...['hidden', 'label', 'bar', 'percent'].map((name) => {
      const piece = document.createElement('span');
      piece.className = name;
      piece.ariaHidden = String(name !== 'hidden'); // a screen reader gets one line: "7: 99.2%"
      return piece;
    }));
    part(bar, 'label').textContent = digit;
  }
  showBars(null);
}

/**
 * Shows a reading; clears the output for null.
 * @param {Reading | null} reading
 */
export function showReading(reading) {
  const best = reading && !isRefused(reading) ? reading.probabilities[reading.digit] : 0;
  element('digit').textContent = reading ? reading.digit : '';
  element('digit').classList.toggle('unsure', best < SURE);
  element('verdict').textContent = reading ? verdict(reading) : '';
  showBars(reading);
  showInput(reading && reading.pixels, reading && `read as ${reading.digit}`);
}

/**
 * Shows what the network will be given as soon as it is loaded.
 * @param {Uint8Array} pixels
 */
export function showLoading(pixels) {
  showReading(null);
  showInput(pixels, 'not read yet');
  element('verdict').textContent = 'loading the network …';
}

function showBars(reading) {
  [...element('bars').children].forEach((bar, digit) => {
    const share = reading ? reading.probabilities[digit] : 0;
    const words = reading ? percent(share) : '';
    bar.dataset.probability = reading ? share : '';
    bar.classList.toggle('best', reading?.digit === digit);
    bar.style.setProperty('--share', share);
    part(bar, 'hidden').textContent = words ? `${digit}: ${words}` : digit;
    part(bar, 'percent').textContent = words;
    part(bar, 'percent').classList.toggle('none', words === percent(Number.MIN_VALUE));
  });
}

const part = (bar, name) => bar.querySelector(`.${name}`);

/** Returns whether a digit should be checked, being neither sure nor refused. */
export function isDoubtful({ digit, probabilities, digitness }) {
  return probabilities[digit] < SURE || digitness < THRESHOLD;
}

const isRefused = ({ refused, digitness }) => refused ?? digitness < THRESHOLD;

function verdict(reading) {
  if (isRefused(reading)) return 'probably no digit';
  const { digit, probabilities } = reading;
  if (probabilities[digit] >= SURE) return percent(probabilities[digit]);
  const [first, second] = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  return `not sure: ${first} or ${second}`;
}

/** Announces the reading to screen readers; to be called when a stroke ends, not while it is drawn. */
export function speak() {
  const words = [element('digit').textContent, element('verdict').textContent].filter(Boolean).join(', ');
  if (element('spoken').textContent !== words) element('spoken').textContent = words;
}

/** Shows the network's input, white on black, or none. */
function showInput(pixels, state) {
  const context = element('input').getContext('2d', { willReadFrequently: true });
  const image = context.createImageData(SIDE, SIDE);
  pixels?.forEach((ink, i) => image.data.set([ink, ink, ink, 255], 4 * i));
  context.putImageData(image, 0, 0);
  element('input').ariaLabel = `The network's input: ${pixels ? `28 by 28 pixels, ${state}` : 'empty'}`;
}
