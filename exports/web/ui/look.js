/** The content of the pad, and the network's input for a drawing. */

import { NoDigit, toMnist } from '../pictures/normalization.js';
import { toGrey } from '../pictures/reading.js';
import { extent, paint } from './drawing.js';

const DRAWING_SIDE = 280; // pixels of the drawing that is read: enough to scale down to 20
// A drawing is too small to be read if its longer side is below this share of the pad's, from middle to middle of its
// lines: a 0 of that size has a hole narrower than the pen.
const SMALLEST = 0.15;

/**
 * @typedef {{strokes: import('./drawing.js').Stroke[], picture?: import('./picture.js').Picture}} Content of the pad: a
 *   drawing or a picture
 */

/** @type {Content} */
export const EMPTY = { strokes: [] };

const drawing = new OffscreenCanvas(DRAWING_SIDE, DRAWING_SIDE).getContext('2d', { willReadFrequently: true });

/**
 * @param {import('./drawing.js').Stroke[]} strokes
 * @returns {{pixels?: Uint8Array, message?: string}} the network's input, 28x28, and a message for the user
 */
export function look(strokes) {
  if (!strokes.length) return {};
  if (extent(strokes) < SMALLEST) return { message: 'Too small to be read: draw it larger' };
  try {
    return { pixels: toMnist(toGrey(rasterize(strokes)), 'drawing') };
  } catch (error) {
    if (error instanceof NoDigit) return { message: error.message };
    throw error;
  }
}

function rasterize(strokes) {
  drawing.clearRect(0, 0, DRAWING_SIDE, DRAWING_SIDE);
  paint(drawing, strokes, 'black');
  // One empty pixel on each side, so that strokes across the pad's edge are not mistaken for paper.
  return drawing.getImageData(-1, -1, DRAWING_SIDE + 2, DRAWING_SIDE + 2);
}
