/**
 * Pictures of one digit -> 28x28 pixels in MNIST's convention.
 *
 * The same as flaxdigits/pictures/normalization.py, function by function, to within a grey level; the reasons are given
 * there.
 */

import { SIDE } from '../contract.js';
import { boxAround, crop, largest, resize, roundToEven } from './fields.js';
import { FAINTEST, findInk } from './ink.js';

/**
 * @typedef {import('./fields.js').Field} Field
 * @typedef {import('./fields.js').Box} Box
 */

const BOX = 20; // longest side of a digit, pixels
const CENTRE = SIDE / 2; // of mass, pixels from 0
const EDGE = 0.2; // share of the strongest ink from which a pixel counts toward the digit's bounding box

/** The picture has no ink. */
export class NoDigit extends Error {}

/**
 * Converts a grey picture of one digit, of any size and either polarity, to MNIST's convention.
 * @param {Field} grey 0 black .. 255 white
 * @param {string} name its name in messages
 * @returns {Uint8Array} 784 pixels, 0 = paper, 255 = ink
 * @throws {NoDigit} if nothing stands out from the paper
 */
export function toMnist(grey, name = 'picture') {
  return locate(grey, name).pixels;
}

/**
 * Converts a picture as `toMnist` does, and returns the digit's box in the picture's pixels as well.
 * @param {Field} grey 0 black .. 255 white
 * @param {string} name its name in messages
 * @returns {{pixels: Uint8Array, box: Box}}
 * @throws {NoDigit} if nothing stands out from the paper
 */
export function locate(grey, name = 'picture') {
  const ink = findInk(grey);
  if (!(largest(ink.data) >= FAINTEST)) throw new NoDigit(`${name}: no digit stands out from the paper`);
  const keeps = ink.width === SIDE && ink.height === SIDE && keepsConvention(ink);
  const pixels = keeps ? Uint8Array.from(ink.data, roundToEven) : centre(fitBox(ink));
  return { pixels, box: scaledBox(inkBox(ink), ink, grey) };
}

/**
 * Returns whether the bounding box and the centre of mass of a 28x28 image are as in MNIST.
 * @param {Field} ink
 */
export function keepsConvention(ink) {
  const [left, top, right, bottom] = boxAround(ink, (value) => value > 0);
  const longest = Math.max(bottom - top, right - left);
  return BOX - 1 <= longest && longest <= BOX
    && centreOfMass(ink).every((place) => Math.abs(place - CENTRE) <= 1);
}

/**
 * @param {Field} ink
 * @returns {[number, number]} the centre of mass as row and column, pixels from 0
 */
export function centreOfMass({ data, width }) {
  let [rows, columns, total] = [0, 0, 0];
  data.forEach((ink, i) => {
    rows += ink * Math.floor(i / width);
    columns += ink * (i % width);
    total += ink;
  });
  return [rows / total, columns / total];
}

/**
 * Returns the box around the ink that is not faint.
 * @param {Field} ink
 * @returns {Box}
 */
export function inkBox(ink) {
  const strong = EDGE * largest(ink.data);
  return boxAround(ink, (value) => value >= strong);
}

/**
 * Returns a box in a field of one size, scaled to a field of another.
 * @param {Box} box
 * @param {{width: number, height: number}} size
 * @param {{width: number, height: number}} larger
 * @returns {Box}
 */
export function scaledBox(box, size, larger) {
  const [across, down] = [larger.width / size.width, larger.height / size.height];
  return box.map((place, i) => roundToEven(place * (i % 2 ? down : across)));
}

/**
 * Crops the digit and scales it so that its longer side is 20 pixels and its strongest ink 255.
 * @param {Field} ink
 * @returns {Field}
 */
export function fitBox(ink) {
  const digit = crop(ink, inkBox(ink));
  const longest = Math.max(digit.width, digit.height);
  const [height, width] = [digit.height, digit.width].map((side) => Math.max(1, roundToEven((side * BOX) / longest)));
  const scaled = resize(digit, width, height);
  const factor = 255 / largest(scaled.data);
  return { ...scaled, data: scaled.data.map((value) => Math.min(value * factor, 255)) };
}

/**
 * Places a digit of at most 20x20 with its centre of mass in the middle of the image.
 * @param {Field} digit
 * @returns {Uint8Array} 784 pixels
 */
export function centre(digit) {
  const [row, column] = centreOfMass(digit).map((place) => roundToEven(CENTRE - place));
  const top = Math.min(Math.max(row, 0), SIDE - digit.height);
  const left = Math.min(Math.max(column, 0), SIDE - digit.width);
  const image = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < digit.height; y++) {
    const line = digit.data.subarray(y * digit.width, (y + 1) * digit.width);
    image.set(line.map(roundToEven), (top + y) * SIDE + left);
  }
  return image;
}
