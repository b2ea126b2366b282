/** The output of the page: the digit, ten bars, and the pixels that the network received. */

import { CLASSES, SIDE, THRESHOLD } from './contract.js';

// Below this probability of the best digit, the page shows "not sure"; `just bench sure` measures how often.
export const SURE = 0.9;

const element = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)}%`;

/** Makes the ten bars, empty. */
export function makeBars() {
  for (let digit = 0; digit < CLASSES; digit++) {
    const bar = element('bars').appendChild(document.createElement('li'));
    bar.append(...['percent', 'bar', 'label'].map((name) => {
      const part = document.createElement('span');
      part.className = name;
      return part;
    }));
    bar.lastChild.textContent = digit;
  }
}

/**
 * Shows a prediction; clears the output for null.
 * @param {{digit: number, probabilities: Float32Array, digitness: number} | null} answer ten probabilities
 */
export function showAnswer(answer) {
  const best = answer && answer.digitness >= THRESHOLD ? answer.probabilities[answer.digit] : 0;
  element('digit').textContent = answer ? answer.digit : '';
  element('digit').classList.toggle('unsure', best < SURE);
  element('verdict').textContent = answer ? verdict(answer) : '';
  [...element('bars').children].forEach((bar, digit) => {
    const share = answer ? answer.probabilities[digit] : 0;
    bar.dataset.probability = answer ? share : '';
    bar.classList.toggle('best', answer?.digit === digit);
    bar.style.setProperty('--share', share);
    bar.firstChild.textContent = answer ? `${Math.round(100 * share)}%` : '';
  });
}

function verdict({ digit, probabilities, digitness }) {
  if (digitness < THRESHOLD) return 'probably no digit';
  if (probabilities[digit] >= SURE) return percent(probabilities[digit]);
  const [first, second] = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  return `not sure: ${first} or ${second}`;
}

/** Announces the prediction to screen readers; call it when a stroke ends, not while it is drawn. */
export function speak() {
  const words = [element('digit').textContent, element('verdict').textContent].filter(Boolean).join(', ');
  if (element('spoken').textContent !== words) element('spoken').textContent = words;
}

/**
 * Shows the network's input, white on black.
 * @param {Uint8Array | null} pixels 784, or null to show none
 */
export function showInput(pixels) {
  const context = element('input').getContext('2d', { willReadFrequently: true });
  const image = context.createImageData(SIDE, SIDE);
  pixels?.forEach((ink, i) => image.data.set([ink, ink, ink, 255], 4 * i));
  context.putImageData(image, 0, 0);
}
