/**
 * Reads the digits of a picture: a single digit, or a page with lines of numbers.
 *
 * The same as flaxdigits/pages.py, function by function; the reasons are given there. The digits, lines, numbers and
 * refusals are the same, boxes to within a pixel.
 */

import { CLASSES, SIDE, THRESHOLD } from './contract.js';
import { likeliest } from './lattice.js';
import { locate, NoDigit, scaledBox } from './pictures/normalization.js';

/**
 * @typedef {import('./pictures/fields.js').Field} Field
 * @typedef {import('./pictures/fields.js').Box} Box
 * @typedef {import('./segmentation.js').Way} Way
 *
 * @typedef {{digits: number[], probabilities: Float32Array, digitness?: Float32Array}} Prediction n digits, n * 10
 *   probabilities, n times the digitness; 1 if it is not given
 *
 * @typedef {object} Model
 * @property {(pixels: Uint8Array) => Promise<Prediction>} read of n * 784 pixels
 * @property {number} [threshold] of digitness; 0 for a model that does not output it, by default contract.js's
 *
 * @typedef {object} Read
 * @property {number} digit 0 to 9
 * @property {number} probability of the digit among the ten, 0..1
 * @property {number[]} probabilities ten
 * @property {number} digitness 1 = surely a digit, 0 = surely not one
 * @property {Box} box pixels
 * @property {Uint8Array} pixels 784, as given to the network
 *
 * @typedef {object} Place
 * @property {number} line the line of the page, from 1
 * @property {number} number the number within the line, from 1
 * @property {boolean} refused whether it is considered not to be a digit
 *
 * @typedef {Read & Place} Reading a digit that was read; its box is in pixels of the picture
 */

const PIXELS = SIDE * SIDE;
const BATCH = 1000; // digits per call of the network, which bounds its memory
const SMALL = 64; // longest side of a picture that must be of one digit, pixels
const ALMOST = 0.9; // fraction of the page's certainty from which the reading as one digit is preferred
const EVEN = 0.5; // certainty above which a reading counts for an interpretation of the page, below which against it
const PARTS = 4; // most digits that may be parts of one
const SURE = 0.46; // of the threshold: the mean digitness of a number's digits from which a doubtful one is accepted
const DOUBTFUL = 0.004; // of the threshold: the digitness that such a doubtful digit must have
const NUMBER_GAP = 0.5; // between two numbers, in heights of the line's digits
const ROOM = 0.5; // minimum width of a digit, in heights: a 1 is narrow, but spaced like the others

/**
 * Reads the digits of a picture, line by line from the top, each from left to right.
 * @param {Field} grey float32, 0 black .. 255 white
 * @param {Model} recognizer
 * @param {((grey: Field) => Promise<Way[]>) | null} segment segmentation.js's, in a worker or not; null if it is not
 *   available: then every picture is read as one digit
 * @param {'auto' | 'single' | 'page'} mode 'single' for a picture of one digit, 'page' for one of several; 'auto'
 *   distinguishes them, and reads every picture as one digit if the model does not output the digitness
 * @returns {Promise<Reading[]>} the digits, on a page including refused ones; empty if nothing stands out from the
 *   paper
 */
export async function readDigits(grey, recognizer, segment, mode = 'auto') {
  if (segment && mode === 'page') return readPage(grey, recognizer, segment);
  const single = await readSingle(grey, recognizer);
  const mayBePage = segment && mode === 'auto' && thresholdOf(recognizer) && Math.max(grey.width, grey.height) > SMALL;
  if (!mayBePage) return single;
  const found = await readPage(grey, recognizer, segment);
  const digits = found.filter((reading) => !reading.refused);
  const mayBeOne = digits.length <= PARTS && digits.every(({ box }) => single.every((one) => isInside(box, one.box)));
  if (mayBeOne && certainty(single) >= ALMOST * certainty(digits)) return single;
  return digits.length > 1 ? found : digits;
}

function thresholdOf(recognizer) {
  return recognizer.threshold ?? THRESHOLD;
}

/** Returns whether the centre of a box is inside another box. */
function isInside(inner, outer) {
  const [x, y] = [(inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2];
  return outer[0] <= x && x <= outer[2] && outer[1] <= y && y <= outer[3];
}

/** Returns the mean probability that a digit is read correctly; 0 without any. */
function certainty(readings) {
  const total = readings.reduce((sum, { digitness, probability }) => sum + digitness * probability, 0);
  return total / Math.max(1, readings.length);
}

/** Reads a picture of one digit; empty if nothing stands out from the paper. */
async function readSingle(grey, recognizer) {
  const located = locateIfAny(grey);
  if (!located) return [];
  const [read] = await readAll([located], recognizer);
  return [{ line: 1, number: 1, refused: read.digitness < thresholdOf(recognizer), ...read }];
}

function locateIfAny(grey) {
  try {
    return locate(grey);
  } catch (error) {
    if (error instanceof NoDigit) return null;
    throw error;
  }
}

/**
 * Reads pixels whose boxes are known.
 * @param {{box: Box, pixels: Uint8Array}[]} given
 * @param {Model} recognizer
 * @returns {Promise<Read[]>}
 */
async function readAll(given, recognizer) {
  const found = [];
  for (let start = 0; start < given.length; start += BATCH) {
    const batch = given.slice(start, start + BATCH);
    const joined = new Uint8Array(batch.length * PIXELS);
    batch.forEach(({ pixels }, i) => joined.set(pixels, i * PIXELS));
    const { digits, probabilities, digitness } = await recognizer.read(joined);
    found.push(...batch.map(({ box, pixels }, i) => {
      const ten = Array.from(probabilities.subarray(i * CLASSES, (i + 1) * CLASSES));
      const surety = { probability: ten[digits[i]], probabilities: ten, digitness: digitness?.[i] ?? 1 };
      return { digit: digits[i], ...surety, box, pixels };
    }));
  }
  return found;
}

/** Reads a picture of several digits, with the interpretation that gives the surest digits. */
async function readPage(grey, recognizer, segment) {
  let [best, most] = [[], -Infinity];
  for (const way of await segment(grey)) {
    const found = await readSheet(way, grey, recognizer);
    const surety = found.reduce((sum, reading) => sum + certainty([reading]) - EVEN, 0);
    if (surety > most) [best, most] = [found, surety];
  }
  return best;
}

/** Reads a page that fills the picture, as it was segmented. */
async function readSheet(way, grey, recognizer) {
  const lines = await readLines(way.lines, recognizer);
  return lines.flatMap((digits, row) => numbersOf(digits, way.lines[row].height).flatMap((members, place) => {
    const least = leastDigitness(members, thresholdOf(recognizer));
    return members.map((read) => ({
      line: row + 1, number: place + 1, refused: read.digitness < least, ...read, box: scaledBox(read.box, way, grey),
    }));
  }));
}

/**
 * Reads segmented lines, each from left to right.
 * @param {import('./segmentation.js').SegmentedLine[]} lines
 * @param {Model} recognizer
 * @returns {Promise<Read[][]>}
 */
async function readLines(lines, recognizer) {
  const reads = await readAll(lines.flatMap(({ groups }) => groups), recognizer);
  let start = 0;
  return lines.map((line) => {
    const found = reads.slice(start, start + line.groups.length);
    start += found.length;
    const probable = found.map(({ digitness, probability }) => digitness * probability);
    return likeliest(line, line.groups, probable).map((index) => found[index]);
  });
}

/**
 * Splits a line's digits into numbers at wide gaps.
 * @param {Read[]} digits
 * @param {number} height of the line's digits, pixels
 * @returns {Read[][]}
 */
export function numbersOf(digits, height) {
  const numbers = [];
  let end = -Infinity;
  for (const digit of digits) {
    const [left, , right] = digit.box;
    const beside = Math.max(0, ROOM * height - (right - left)) / 2;
    if (left - beside - end > NUMBER_GAP * height) numbers.push([]);
    numbers.at(-1).push(digit);
    end = Math.max(end, right + beside);
  }
  return numbers;
}

/**
 * Returns the digitness below which a digit of a number is refused: lower where its neighbours are digits.
 * @param {Read[]} number
 * @param {number} threshold
 */
export function leastDigitness(number, threshold) {
  const mean = number.reduce((sum, { digitness }) => sum + digitness, 0) / number.length;
  return threshold * (number.length > 1 && mean >= SURE * threshold ? DOUBTFUL : 1);
}
