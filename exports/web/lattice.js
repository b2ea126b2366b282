/**
 * The lattice of a line: pieces in, the likeliest sequence of digits out.
 *
 * The same as flaxdigits/lattice.py, function by function; the reasons are given there.
 */

import { MOST_PIECES, WIDEST } from './pictures/cuts.js';
import { boxOfBoth } from './pictures/layout.js';
import { centre, fitBox } from './pictures/normalization.js';

/**
 * @typedef {import('./pictures/fields.js').Box} Box
 * @typedef {import('./pictures/layout.js').Line} Line
 * @typedef {{first: number, end: number, box: Box, pixels: Uint8Array}} Group neighbouring pieces of a line that may be
 *   a digit, and its 784 pixels in MNIST's form
 */

const LEAST = 1e-6; // lower bound of a group's probability
const UNITED_COST = 0.5; // nats for joining two components that do not touch
const CUT_COST = 0.6; // nats for cutting one
const [SMALL, SMALL_COST] = [0.75, 4]; // nats for a digit below this share of the line's height, per height missing

/**
 * Returns the groups of a line's neighbouring pieces that are not too wide for a digit.
 * @param {Line} line
 * @returns {Group[]} in the order of their first pieces
 */
export function groupsOf({ pieces, height }) {
  const groups = [];
  for (let first = 0; first < pieces.length; first++) {
    for (let end = first + 1; end <= Math.min(first + MOST_PIECES, pieces.length); end++) {
      const members = pieces.slice(first, end);
      const box = members.map((piece) => piece.box).reduce(boxOfBoth);
      if (end > first + 1 && box[2] - box[0] > WIDEST * height) break;
      groups.push({ first, end, box, pixels: drawn(members, box) });
    }
  }
  return groups;
}

/** Returns pieces as one picture in MNIST's form, 784 pixels. */
function drawn(pieces, [left, top, right, bottom]) {
  const [width, height] = [right - left, bottom - top];
  const data = new Float32Array(width * height);
  for (const { box, ink } of pieces) {
    const corner = (box[1] - top) * width + box[0] - left;
    ink.data.forEach((value, i) => {
      const place = corner + Math.floor(i / ink.width) * width + (i % ink.width);
      data[place] = Math.max(data[place], value);
    });
  }
  return centre(fitBox({ data: data.map((value) => 255 * value), width, height }));
}

/**
 * Returns the groups of the likeliest sequence that uses every piece, from left to right.
 * @param {{height: number, followsCut: boolean[]}} line height of its digits, and Piece.followsCut of each piece
 * @param {Group[]} groups
 * @param {number[]} probable the probability of each group's reading
 * @returns {number[]} places in `groups`
 */
export function likeliest(line, groups, probable) {
  const pieces = line.followsCut.length;
  const best = [0, ...new Array(pieces).fill(Infinity)]; // the cost up to each piece, nats
  const chosen = new Array(pieces + 1).fill(-1);
  groups.forEach((group, index) => {
    const least = probable[index] > LEAST ? probable[index] : LEAST; // for NaN as well
    const cost = best[group.first] - Math.log(least) + shapeCost(group, line);
    if (cost < best[group.end]) [best[group.end], chosen[group.end]] = [cost, index];
  });
  const path = [];
  for (let end = pieces; end; end = groups[chosen[end]].first) path.unshift(chosen[end]);
  return path;
}

/**
 * Returns the cost of reading a group as one digit, from its pieces' place and size alone, in nats.
 * @param {Group} group
 * @param {{height: number, followsCut: boolean[]}} line
 */
export function shapeCost({ first, end, box }, { height, followsCut }) {
  const unites = followsCut.slice(first + 1, end).filter((follows) => !follows).length;
  const missing = Math.max(0, SMALL - (box[3] - box[1]) / height);
  return UNITED_COST * unites + CUT_COST * followsCut[first] + SMALL_COST * missing;
}
