/** What is on the pad, and what the network is given of it. */

import { extent, paint } from './drawing.js';
import { NoDigit, openPicture, readPicture, toGrey, toMnist } from './pictures.js';

const DRAWING_SIDE = 280; // pixels of the drawing that is read: enough to be scaled down to 20
// A drawing is too small to be read if its longer side is below this share of the pad's, from middle to middle of its
// lines: a 0 of that size has a hole narrower than the pen.
const SMALLEST = 0.15;
const VIEW = 640; // longest side of a picture as it is kept for show, pixels: as the pad

/**
 * @typedef {{name: string, view: OffscreenCanvas, pixels?: Uint8Array, message: string}} Picture one without a digit
 *   has no pixels; the message is for the user
 * @typedef {{strokes: import('./drawing.js').Stroke[], picture?: Picture}} Content of the pad: a drawing or a picture
 */

/** @type {Content} */
export const EMPTY = { strokes: [] };

const drawing = new OffscreenCanvas(DRAWING_SIDE, DRAWING_SIDE).getContext('2d', { willReadFrequently: true });

/**
 * @param {Content} content
 * @returns {{pixels?: Uint8Array, message?: string}} the network's input, 28x28, and a message for the user
 */
export function look({ strokes, picture }) {
  if (picture) return picture;
  if (!strokes.length) return {};
  if (extent(strokes) < SMALLEST) return { message: 'Too small to be read: draw it larger' };
  return readable((name) => toMnist(toGrey(rasterize(strokes)), name), 'drawing');
}

function rasterize(strokes) {
  drawing.clearRect(0, 0, DRAWING_SIDE, DRAWING_SIDE);
  paint(drawing, strokes, 'black');
  // One empty pixel on each side, so that strokes across the pad's edge are not mistaken for paper.
  return drawing.getImageData(-1, -1, DRAWING_SIDE + 2, DRAWING_SIDE + 2);
}

function readable(read, name) {
  try {
    return { pixels: read(name) };
  } catch (error) {
    if (error instanceof NoDigit) return { message: error.message };
    throw error;
  }
}

/**
 * Opens a picture file, and reads what is in it.
 * @param {File} file
 * @returns {Promise<Picture>}
 * @throws {Error} if it is not a picture
 */
export async function takePicture(file) {
  const bitmap = await openPicture(file, file.name);
  try {
    const found = readable((name) => readPicture(bitmap, name), file.name);
    return { name: file.name, message: file.name, view: smaller(bitmap), ...found };
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
