/**
 * Pictures of one digit -> 28x28 pixels in MNIST's convention.
 *
 * The same as flaxdigits/pictures/normalization.py and reading.py, byte for byte; the reasons are given there.
 * Where numpy computes in float32, this does so too: in Float32Array, or with Math.fround.
 * One difference: browsers store colours premultiplied by opacity, in 8 bits, so half-transparent
 * strokes that are neither black nor white may be off by one grey level.
 */

import { SIDE } from './contract.js';
import { largest, resize, roundToEven, sum } from './fields.js';
import { FAINTEST, findInk } from './ink.js';

/** @typedef {import('./fields.js').Field} Field */

const BOX = 20; // longest side of a digit, pixels
const CENTRE = SIDE / 2; // of mass, pixels from 0
const EDGE = 0.2; // share of the strongest ink from which a pixel counts toward the digit's box

/** The picture has no ink. */
export class NoDigit extends Error {}

/**
 * Opens a picture file, rotated by its EXIF orientation.
 * @param {Blob} file in any format that the browser reads
 * @param {string} name its name in messages
 * @returns {Promise<ImageBitmap>}
 * @throws {Error} if the file is not a picture
 */
export async function openPicture(file, name) {
  try {
    return await createImageBitmap(file, { imageOrientation: 'from-image', colorSpaceConversion: 'none' });
  } catch {
    throw new Error(`${name}: not a picture that can be read`);
  }
}

/**
 * Converts a picture to MNIST's convention.
 * @param {ImageBitmap} bitmap
 * @param {string} name its name in messages
 * @returns {Uint8Array} 784 pixels, 0 = paper, 255 = ink
 * @throws {NoDigit} if there is no digit in it
 */
export function readPicture(bitmap, name) {
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return toMnist(toGrey(context.getImageData(0, 0, bitmap.width, bitmap.height)), name);
}

/**
 * Converts RGBA to grey, 0 black .. 255 white; transparent pixels become white under dark strokes
 * and black under light ones.
 * @param {ImageData} image
 * @returns {Field}
 */
export function toGrey({ data, width, height }) {
  const grey = new Float32Array(width * height);
  const opacity = new Float32Array(width * height);
  let [inked, opaque] = [0, 0];
  for (let i = 0; i < grey.length; i++) {
    const shade = (data[4 * i] * 19595 + data[4 * i + 1] * 38470 + data[4 * i + 2] * 7471 + 0x8000) >> 16;
    opacity[i] = data[4 * i + 3] / 255;
    grey[i] = shade * opacity[i];
    inked += grey[i];
    opaque += opacity[i];
  }
  const ground = inked / Math.max(opaque, 1) < 128 ? 255 : 0;
  for (let i = 0; i < grey.length; i++) grey[i] += Math.fround(ground * Math.fround(1 - opacity[i]));
  return { data: grey, width, height };
}

/**
 * Converts a grey picture of one digit, of any size and either polarity, to MNIST's convention.
 * @param {Field} grey 0 black .. 255 white
 * @param {string} name its name in messages
 * @returns {Uint8Array} 784 pixels, 0 = paper, 255 = ink
 * @throws {NoDigit} if nothing stands out from the paper
 */
export function toMnist(grey, name = 'picture') {
  const ink = findInk(grey);
  if (largest(ink.data) < FAINTEST) throw new NoDigit(`${name}: no digit stands out from the paper`);
  if (ink.width === SIDE && ink.height === SIDE && keepsConvention(ink)) return Uint8Array.from(ink.data, roundToEven);
  return centre(fitBox(ink));
}

/**
 * Returns whether the box and the centre of mass of a 28x28 image are as in MNIST.
 * @param {Field} ink
 */
export function keepsConvention(ink) {
  const { top, left, bottom, right } = boxOf(ink, (value) => value > 0);
  const longest = Math.max(bottom - top, right - left);
  return BOX - 1 <= longest && longest <= BOX
    && centreOfMass(ink).every((place) => Math.abs(place - CENTRE) <= 1);
}

/**
 * @param {Field} ink
 * @returns {[number, number]} the centre of mass as row and column, pixels from 0
 */
export function centreOfMass({ data, width }) {
  const rows = Float64Array.from(data, (ink, i) => ink * Math.floor(i / width));
  const columns = Float64Array.from(data, (ink, i) => ink * (i % width));
  return [sum(rows) / sum(data), sum(columns) / sum(data)];
}

/**
 * Crops the digit and scales it so that its longer side is 20 pixels and its strongest ink 255.
 * @param {Field} ink
 * @returns {Field}
 */
export function fitBox(ink) {
  const strong = Math.fround(Math.fround(EDGE) * largest(ink.data));
  const digit = crop(ink, boxOf(ink, (value) => value >= strong));
  const longest = Math.max(digit.width, digit.height);
  const [height, width] = [digit.height, digit.width].map((side) => Math.max(1, roundToEven(side * BOX / longest)));
  const scaled = resize(digit, width, height);
  const factor = Math.fround(255 / largest(scaled.data));
  return { ...scaled, data: scaled.data.map((value) => Math.min(Math.fround(value * factor), 255)) };
}

/** @returns {{top: number, left: number, bottom: number, right: number}} the bounding box of the wanted pixels, ends excluded */
function boxOf({ data, width, height }, wanted) {
  const box = { top: height, left: width, bottom: 0, right: 0 };
  data.forEach((value, i) => {
    if (!wanted(value)) return;
    const [y, x] = [Math.floor(i / width), i % width];
    box.top = Math.min(box.top, y);
    box.left = Math.min(box.left, x);
    box.bottom = Math.max(box.bottom, y + 1);
    box.right = Math.max(box.right, x + 1);
  });
  return box;
}

function crop({ data, width }, { top, left, bottom, right }) {
  const cropped = new Float32Array((bottom - top) * (right - left));
  for (let y = top; y < bottom; y++) {
    cropped.set(data.subarray(y * width + left, y * width + right), (y - top) * (right - left));
  }
  return { data: cropped, width: right - left, height: bottom - top };
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
  const field = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < digit.height; y++) {
    const line = digit.data.subarray(y * digit.width, (y + 1) * digit.width);
    field.set(line.map(roundToEven), (top + y) * SIDE + left);
  }
  return field;
}
