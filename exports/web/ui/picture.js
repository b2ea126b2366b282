/** A picture on the pad: opened, kept at a small size for display, and read. */

import { readDigits } from '../pages.js';
import { openPicture, readGrey } from '../pictures/reading.js';
import { segmentInWorker } from '../segmenter.js';

const VIEW = 640; // longest side of a picture as kept for display, pixels: that of the pad

/**
 * @typedef {object} Picture
 * @property {string} name of the file
 * @property {OffscreenCanvas} view
 * @property {number} width of the file, pixels
 * @property {number} height of the file, pixels
 * @property {string} message for the user
 * @property {import('../pages.js').Reading[]} readings its digits; empty until it is read
 * @property {number} selected which of them is shown in full; -1 for none
 */

/**
 * Opens a picture file.
 * @param {File} file
 * @returns {Promise<{picture: Picture, grey: import('../pictures/fields.js').Field}>}
 * @throws {Error} if it is not a picture
 */
export async function openFile(file) {
  const bitmap = await openPicture(file, file.name);
  const { width, height } = bitmap;
  try {
    const message = `reading ${file.name} …`;
    const picture = { name: file.name, view: smaller(bitmap), width, height, message, readings: [], selected: -1 };
    return { picture, grey: readGrey(bitmap) };
  } finally {
    bitmap.close(); // a photograph takes 50 MB, and the history keeps many
  }
}

function smaller(bitmap) {
  const scale = Math.min(1, VIEW / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const view = new OffscreenCanvas(width, height);
  const context = view.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  return view;
}

/**
 * Reads a picture, and stores the readings in it.
 * @param {Picture} picture
 * @param {import('../pictures/fields.js').Field} grey
 * @param {import('../recognizer.js').Recognizer} recognizer
 */
export async function fillIn(picture, grey, recognizer) {
  let trouble = '';
  try {
    picture.readings = await readDigits(grey, recognizer, segmentInWorker);
  } catch (error) {
    picture.readings = await readDigits(grey, recognizer, null);
    trouble = `; read as one digit, since ${error.message}`;
  }
  const { readings } = picture;
  picture.selected = readings.length ? Math.max(0, readings.findIndex(({ refused }) => !refused)) : -1;
  picture.message = `${picture.name}${summary(readings)}${trouble}`;
}

function summary(readings) {
  if (!readings.length) return ': no digit stands out from the paper';
  if (readings.length === 1) return '';
  const digits = readings.filter(({ refused }) => !refused);
  const lines = new Set(digits.map(({ line }) => line)).size;
  return digits.length ? `: ${digits.length} digits in ${lines} ${lines === 1 ? 'line' : 'lines'}` : ': no digit';
}
