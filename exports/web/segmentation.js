/** Finds what may be digits on a page, before any is read: everything that needs OpenCV, and no network. */

import { groupsOf } from './lattice.js';
import { findLines } from './pictures/layout.js';
import { findSheets } from './pictures/sheet.js';
import { findStrokes, mayBeLight } from './pictures/strokes.js';

/**
 * @typedef {import('./pictures/fields.js').Field} Field
 * @typedef {import('./lattice.js').Group} Group
 *
 * @typedef {object} SegmentedLine
 * @property {number} height of its digits, pixels
 * @property {boolean[]} followsCut of each of its pieces
 * @property {Group[]} groups of its pieces that may be digits
 *
 * @typedef {object} Way one interpretation of a page: plain data
 * @property {number} width of the page as it was segmented, pixels
 * @property {number} height
 * @property {SegmentedLine[]} lines from the top
 */

/**
 * Segments a page under each possible interpretation: with or without a desk around its sheet, dark or light ink.
 * @param cv the module of @techstark/opencv-js, loaded
 * @param {Field} grey float32, 0 black .. 255 white
 * @returns {Way[]} at least one
 */
export function segment(cv, grey) {
  return findSheets(cv, grey).flatMap((sheet) => mayBeLight(cv, sheet).map((light) => segmentSheet(cv, sheet, light)));
}

function segmentSheet(cv, grey, lightInk) {
  const strokes = findStrokes(cv, grey, lightInk);
  const lines = findLines(strokes).map((line) => ({
    height: line.height, followsCut: line.pieces.map((piece) => piece.followsCut), groups: groupsOf(line),
  }));
  return { width: strokes.ink.width, height: strokes.ink.height, lines };
}
