/**
 * Cuts through ink that may be several digits: paths from top to bottom that cross little ink.
 *
 * The same as flaxdigits/pictures/cuts.py, function by function; the reasons are given there.
 */

import { boxAround, crop, roundToEven, sum } from './fields.js';

/** @typedef {import('./fields.js').Field} Field */

export const MOST_PIECES = 4; // of one digit
export const WIDEST = 1.5; // maximum width of a digit in several pieces, in digit heights
const SIDEWAYS = 0.15; // cost of a step to the side, where a pixel of full ink costs 1
const CUTS = 4; // per width of one digit height
const WIDE = 0.4; // width from which ink may be several digits, as a share of the digits' height
const LEAST_INK = 0.12; // between two cuts, as a share of the ink in a width of one digit height
const MOST_SLANT = 0.8; // pixels sideways per pixel down

/**
 * Cuts ink that may be several digits.
 * @param {Field} ink float32 in 0..1
 * @param {number} height of the digits, pixels
 * @param {number} slant of the writing, pixels to the right per pixel down
 * @returns {Field[]} the parts from left to right, each as large as the whole; only the whole if nothing may be cut
 */
export function cut(ink, height, slant = 0) {
  const { upright, moved } = straightened(ink, slant);
  if (!upright.data.some(Boolean)) return [ink];
  const [first, , end] = boxAround(upright, (value) => value > 0);
  const paths = findCuts(crop(upright, [first, 0, end, upright.height]), height, mostCuts(end - first, height));
  return cutApart(ink, paths.map((path) => path.map((place, row) => place + first - moved[row])));
}

/**
 * Returns the slant of ink, pixels to the right per pixel down; 0 without ink.
 * @param {Field} ink
 */
export function slantOf({ data, width }) {
  const places = [...data.keys()].filter((i) => data[i]).map((i) => [Math.floor(i / width), i % width]);
  if (!places.length) return 0;
  const middle = places.reduce((total, [row]) => total + row, 0) / places.length;
  let [across, squares] = [0, 0];
  for (const [row, column] of places) {
    across += (row - middle) * column;
    squares += (row - middle) ** 2;
  }
  return Math.min(Math.max(across / Math.max(squares, 1), -MOST_SLANT), MOST_SLANT);
}

/** Returns upright ink, in a field as wide as needed, and how many columns each row was moved by. */
export function straightened({ data, width, height }, slant) {
  const sideways = Array.from({ length: height }, (_, row) => roundToEven(slant * (row - Math.floor(height / 2))));
  const most = Math.max(...sideways);
  const moved = sideways.map((columns) => most - columns);
  const wide = width + Math.max(...moved);
  const upright = { data: new Float32Array(wide * height), width: wide, height };
  moved.forEach((columns, row) => {
    upright.data.set(data.subarray(row * width, (row + 1) * width), row * wide + columns);
  });
  return { upright, moved };
}

/**
 * Returns the maximum number of cuts through ink of this width, for digits of this height.
 * @param {number} width
 * @param {number} height
 */
export function mostCuts(width, height) {
  return width > WIDE * height ? Math.trunc((CUTS * width) / height) : 0;
}

/**
 * Returns paths along which ink may be cut, from left to right.
 * @param {Field} ink float32 in 0..1
 * @param {number} height of the digits, pixels
 * @param {number} most the maximum number of paths; the cheapest are taken
 * @returns {Int32Array[]} [height] each: the first column right of the path in each row
 */
export function findCuts(ink, height, most) {
  if (!most) return [];
  const { paths, costs } = seams(ink);
  const left = paths.map((path) => inkLeftOf(path, ink)); // of each path
  const total = sum(ink.data);
  const least = (LEAST_INK * total * height) / ink.width;
  const chosen = [0, total];
  const found = [];
  for (const path of [...costs.keys()].sort((one, other) => costs[one] - costs[other])) {
    if (chosen.every((other) => Math.abs(left[path] - other) >= least)) {
      chosen.push(left[path]);
      found.push(path);
    }
    if (found.length === most) break;
  }
  return found.sort((one, other) => left[one] - left[other]).map((path) => paths[path]);
}

function inkLeftOf(path, { data, width }) {
  let total = 0;
  path.forEach((end, row) => {
    for (let column = 0; column < end; column++) total += data[row * width + column];
  });
  return total;
}

/**
 * Returns the cheapest path to each column of the last row, and its cost.
 * @param {Field} ink
 * @returns {{paths: Int32Array[], costs: Float64Array}} [width] paths of [height] columns, and [width] costs
 */
export function seams({ data, width, height }) {
  let costs = Float64Array.from(data.subarray(0, width));
  const steps = new Int8Array(data.length);
  for (let row = 1; row < height; row++) {
    const before = costs;
    costs = before.map((straight, column) => {
      let [best, step] = [straight, 0];
      for (const side of [-1, 1]) {
        const cost = before[column + side] + SIDEWAYS; // NaN beside the ink
        if (cost < best) [best, step] = [cost, side];
      }
      steps[row * width + column] = step;
      return best + data[row * width + column];
    });
  }
  return { paths: Array.from({ length: width }, (_, column) => pathTo(column, steps, width, height)), costs };
}

function pathTo(column, steps, width, height) {
  const path = new Int32Array(height);
  let place = column;
  for (let row = height - 1; row >= 0; row--) {
    path[row] = place;
    place += steps[row * width + place];
  }
  return path;
}

/**
 * Returns the ink left of the first cut, between cuts, and right of the last; each as large as the whole.
 * @param {Field} ink
 * @param {Int32Array[]} cuts
 * @returns {Field[]}
 */
export function cutApart(ink, cuts) {
  const parts = Array.from({ length: cuts.length + 1 }, () => ({ ...ink, data: new Float32Array(ink.data.length) }));
  ink.data.forEach((value, i) => {
    const [row, column] = [Math.floor(i / ink.width), i % ink.width];
    const part = cuts.filter((cut) => column >= cut[row]).length;
    parts[part].data[i] = value;
  });
  return parts;
}
