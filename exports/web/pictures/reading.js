/**
 * Picture files -> grey fields, in a browser.
 *
 * The same as flaxdigits/pictures/reading.py, to within a grey level; the reasons are given there. One difference:
 * browsers store colours premultiplied by opacity, in 8 bits.
 */

import { toMnist } from './normalization.js';

/** @typedef {import('./fields.js').Field} Field */

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
 * Converts a picture of one digit to MNIST's convention.
 * @param {ImageBitmap} bitmap
 * @param {string} name its name in messages
 * @returns {Uint8Array} 784 pixels, 0 = paper, 255 = ink
 * @throws {import('./normalization.js').NoDigit} if there is no digit in it
 */
export function readPicture(bitmap, name) {
  return toMnist(readGrey(bitmap), name);
}

/**
 * Returns a picture in grey, not normalized.
 * @param {ImageBitmap} bitmap
 * @returns {Field} 0 black .. 255 white
 */
export function readGrey(bitmap) {
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return toGrey(context.getImageData(0, 0, bitmap.width, bitmap.height));
}

/**
 * Converts RGBA to grey, 0 black .. 255 white; transparent pixels become white under dark strokes
 * and black under light ones.
 * @param {ImageData | {data: Uint8Array, width: number, height: number}} image
 * @returns {Field}
 */
export function toGrey({ data, width, height }) {
  const grey = new Float32Array(width * height);
  let [inked, opaque] = [0, 0];
  for (let i = 0; i < grey.length; i++) {
    const shade = (data[4 * i] * 19595 + data[4 * i + 1] * 38470 + data[4 * i + 2] * 7471 + 0x8000) >> 16;
    const opacity = data[4 * i + 3] / 255;
    grey[i] = shade * opacity;
    inked += grey[i];
    opaque += opacity;
  }
  const ground = inked / Math.max(opaque, 1) < 128 ? 255 : 0;
  for (let i = 0; i < grey.length; i++) grey[i] += ground * (1 - data[4 * i + 3] / 255);
  return { data: grey, width, height };
}
