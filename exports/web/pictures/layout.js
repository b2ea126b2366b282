/**
 * The layout of a page: strokes -> lines of pieces, each a digit, a part of one, or a mark.
 *
 * The same as flaxdigits/pictures/layout.py, function by function; the reasons are given there.
 */

import { cut, slantOf } from './cuts.js';
import { boxAround, crop, median } from './fields.js';

/**
 * @typedef {import('./fields.js').Field} Field
 * @typedef {import('./fields.js').Box} Box
 * @typedef {import('./strokes.js').Strokes} Strokes
 */

const SPECK = 0.25; // of the digits' height; a component that is neither as high nor as wide is a speck
const [TALL, SHORT] = [2.2, 0.45]; // heights of a component that is part of a line, as a share of the digits' height
const THIN = 0.5; // width of a stroke that belongs to a ruled line, as a share of the usual one
const LINE_GAP = 0.55; // minimum distance between the middles of two lines, as a share of the digits' height
const REACH = 3; // how far away the next digit of a line may be when the slope is measured, in digit heights
const PART = 0.7; // share of the digits' height up to which a component may be a part of a digit
const NARROW = 1.1; // width, in heights, of the widest components whose slants are measured
const FEW = 3; // minimum number of these
const OVERLAP = 0.5; // share of a component's width that overlaps another's, from which both are parts of one digit

/**
 * @typedef {{box: Box, ink: Field, followsCut: boolean}} Piece ink that is not divided further, in 0..1; followsCut:
 *   whether it is from the same component as the previous piece
 * @typedef {{pieces: Piece[], height: number}} Line pieces from left to right, and the height of its digits, pixels
 */

const widthOf = ([left, , right]) => right - left;
const heightOf = ([, top, , bottom]) => bottom - top;
const middleOf = ([left, top, right, bottom]) => [(left + right) / 2, (top + bottom) / 2];

/**
 * Returns the lines of a page from the top; empty for a page without ink.
 * @param {Strokes} strokes
 * @returns {Line[]}
 */
export function findLines(strokes) {
  const { boxes } = strokes;
  const height = digitHeight(boxes, strokes.areas);
  if (!height) return [];
  const bodies = findBodies(strokes, height);
  const middles = boxes.map(middleOf);
  const slope = slopeOf(bodies.map((body) => middles[body]), height);
  const level = middles.map(([x, y]) => y - slope * x);
  const slant = writingSlant(strokes, bodies);
  return rowsOf(level, bodies, LINE_GAP * height).map((members) => {
    const marks = marksBeside(boxes, members, bodies, height);
    return { pieces: piecesOf(strokes, [...members, ...marks], height, slant), height };
  });
}

/** Returns the components that are as tall as digits and have strokes as wide. */
function findBodies({ boxes, areas, widths }, height) {
  const tall = [...boxes.keys()].filter((i) => isBetween(heightOf(boxes[i]), SHORT * height, TALL * height));
  const usual = median(tall.flatMap((i) => new Array(areas[i]).fill(widths[i])));
  return tall.filter((i) => widths[i] >= THIN * usual);
}

const isBetween = (value, least, most) => least <= value && value <= most;

/**
 * Returns the height of a page's digits, pixels: the median of its components', by area; 0 without any.
 * @param {Box[]} boxes
 * @param {number[]} areas
 */
export function digitHeight(boxes, areas) {
  const isPlausible = (box) => heightOf(box) >= 8 && heightOf(box) < 20 * widthOf(box) + 8
    && widthOf(box) < 12 * heightOf(box);
  const plausible = [...boxes.keys()].filter((i) => isPlausible(boxes[i]));
  const total = plausible.reduce((area, i) => area + areas[i], 0);
  let area = 0;
  for (const i of plausible.sort((one, other) => heightOf(boxes[one]) - heightOf(boxes[other]))) {
    area += areas[i];
    if (area >= total / 2) return heightOf(boxes[i]);
  }
  return 0;
}

/**
 * Returns the slope of the lines: the median of the slopes from each component to the next on its right.
 * @param {[number, number][]} middles
 * @param {number} height
 */
export function slopeOf(middles, height) {
  const slopes = [];
  for (const [x, y] of middles) {
    const near = middles.map((other) => [other[0] - x, other[1] - y])
      .filter(([right, down]) => right > 0.3 * height && right < REACH * height && Math.abs(down) < 0.5 * height);
    if (!near.length) continue;
    const [right, down] = near.reduce((nearest, other) => (other[0] < nearest[0] ? other : nearest));
    slopes.push(down / right);
  }
  return slopes.length ? median(slopes) : 0;
}

/** Returns the slant of the writing: the median of the slants of components that may be one digit. */
function writingSlant({ boxes, labels }, bodies) {
  const slants = bodies.filter((body) => widthOf(boxes[body]) <= NARROW * heightOf(boxes[body])).map((body) => {
    const area = crop(labels, boxes[body]);
    return slantOf({ ...area, data: area.data.map((label) => (label === body + 1 ? 1 : 0)) });
  });
  return slants.length >= FEW ? median(slants) : 0;
}

/** Returns the components of each row from the top: those whose levels follow each other without a gap. */
function rowsOf(level, bodies, gap) {
  const rows = [];
  let last = -Infinity;
  for (const body of [...bodies].sort((one, other) => level[one] - level[other])) {
    if (level[body] - last > gap) rows.push([]);
    rows.at(-1).push(body);
    last = level[body];
  }
  return rows;
}

/** Returns the components smaller than digits that belong to a row, such as the bar of a 5. */
function marksBeside(boxes, members, bodies, height) {
  const others = new Set(bodies);
  const isSmall = (box) => Math.max(widthOf(box), heightOf(box)) >= SPECK * height && heightOf(box) < SHORT * height;
  const isNear = (box) => members.some((member) => distance(box, boxes[member]) < 0.25 * height);
  return [...boxes.keys()].filter((i) => !others.has(i) && isSmall(boxes[i]) && isNear(boxes[i]));
}

/** Returns how far apart two boxes are, the farther of sideways and up or down. */
function distance([left, top, right, bottom], other) {
  return Math.max(other[0] - right, left - other[2], other[1] - bottom, top - other[3], 0);
}

/** Returns the pieces of a row from left to right: components, joined where one is above another, or cut. */
function piecesOf(strokes, members, height, slant) {
  const order = [...members].sort((one, other) => strokes.boxes[one][0] - strokes.boxes[other][0]);
  const groups = joined(order.map((member) => ({ box: strokes.boxes[member], parts: [member] })), PART * height);
  const found = groups.flatMap(({ box, parts }, component) => {
    const ink = inkOf(strokes, box, parts);
    return cut(ink, height, slant).filter(({ data }) => data.some(Boolean))
      .map((part) => ({ ...cropped(part, box[0], box[1]), component }));
  });
  found.sort((one, other) => one.box[0] + one.box[2] - other.box[0] - other.box[2]);
  return found.map(({ box, ink, component }, i) => ({ box, ink, followsCut: component === found[i - 1]?.component }));
}

/** Returns the ink of some components in a box, 0 where others are. */
function inkOf({ ink, labels }, box, parts) {
  const members = new Set(parts.map((part) => part + 1));
  const area = crop(labels, box);
  const field = crop(ink, box);
  return { ...field, data: field.data.map((value, i) => (members.has(area.data[i]) ? value : 0)) };
}

/**
 * Returns components from left to right, joining two if the narrower is mostly above or below the other.
 *
 * Two that are both taller than `low` stay separate: one leans over the other.
 */
function joined(groups, low) {
  const found = [];
  for (const { box, parts } of groups) {
    const last = found.at(-1);
    if (last && isOver(last.box, box, low)) {
      found[found.length - 1] = { box: boxOfBoth(last.box, box), parts: [...last.parts, ...parts] };
    } else {
      found.push({ box, parts });
    }
  }
  return found;
}

function isOver(before, box, low) {
  const shared = Math.min(before[2], box[2]) - Math.max(before[0], box[0]);
  const lower = Math.min(heightOf(before), heightOf(box));
  return lower <= low && shared > OVERLAP * Math.min(widthOf(before), widthOf(box));
}

/**
 * Returns the box around two boxes.
 * @param {Box} one
 * @param {Box} other
 * @returns {Box}
 */
export function boxOfBoth(one, other) {
  return one.map((place, i) => (i < 2 ? Math.min : Math.max)(place, other[i]));
}

/** Returns a piece without the empty rows and columns around its ink; `left` and `top` are those of the field. */
function cropped(field, left, top) {
  const box = boxAround(field, (ink) => ink > 0);
  return { box: box.map((place, i) => place + (i % 2 ? top : left)), ink: crop(field, box) };
}
