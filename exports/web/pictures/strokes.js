/**
 * Finds the strokes on a page: ink without paper, shadows, ruled lines and specks. Uses OpenCV.
 *
 * The same as flaxdigits/pictures/strokes.py, function by function; the reasons are given there. `cv` is OpenCV's
 * module.
 */

import { convert, median, roundToEven, select, sum } from './fields.js';
import { apply, averaged, blurred, morphed, resized, toField, toMatrix, withMatrices } from './matrices.js';
import { closedByDisc, dilated, opened } from './morphology.js';

/**
 * @typedef {import('./fields.js').Field} Field
 * @typedef {import('./fields.js').Box} Box
 */

const WORKING_SIDE = 1600; // longest side to which a larger page is scaled, pixels
const PAPER_SIDE = 300; // longest side of the copy on which the paper's shade is estimated
const GROUND_WINDOWS = [0.1, 0.5]; // sides of the windows with more paper than ink, as shares of the longest side
const PAPER_WINDOW = 0.15; // side of the window around a pixel in which there is paper, as a share of the longest side
const LOCAL_INK = 0.4; // share of the strongest ink nearby; fainter pixels are paper
const INKED = 0.0005; // share of the pixels that are the page's strongest ink
const PAGE_INK = 0.25; // share of the page's strongest ink; pencil beside a marker has about 0.3
const INK_WINDOW = 0.2; // side of the window of that strongest ink, as a share of the longest side
const FAINTEST = 0.1; // least contrast of ink, as a share of the paper's shade
const NOISE_MARGIN = 5; // least contrast of ink, in standard deviations of the paper's noise
const STRONGEST = 0.002; // share of the pixels, those that differ most from the paper, that decide if the ink is light
const DARKEST = 8; // of 255; a darker paper's shade counts as this
const RULE_LENGTH = 0.15; // least length of a ruled line, as a share of the page's width or height
const RULE_RATIO = 15; // least length of a ruled line, in widths of the widest; a 1 may be as straight, but is shorter
const RULE_WIDTH = 9; // of the widest ruled line, pixels
const RULE_GAP = 9; // pixels of a ruled line that noise may break; the gaps between digits are wider
const RULE_SMOOTHING = 41; // pixels along a ruled line over which its contrast is averaged
const FAINTEST_RULE = 0.03; // least contrast of a ruled line
const DARKER = 1.4; // contrast of ink on a ruled line, as a multiple of the line's

/**
 * @typedef {object} Strokes
 * @property {Field} ink contrast to the paper where there is a stroke, 0 elsewhere, float32 in 0..1
 * @property {Field} labels int32, 0 = paper, the number of the connected component elsewhere
 * @property {Box[]} boxes of the components; the first is component 1's
 * @property {number[]} areas of the components, pixels
 * @property {number[]} widths of each component's widest stroke, pixels
 */

/**
 * Returns the strokes on a page; a large page is scaled down.
 * @param {Field} grey float32, 0 black .. 255 white
 * @param {boolean} lightInk whether the ink is lighter than the paper
 * @returns {Strokes}
 */
export function findStrokes(cv, grey, lightInk = false) {
  const dark = lightInk ? { ...grey, data: grey.data.map((shade) => 255 - shade) } : grey;
  const scale = Math.max(1, Math.max(grey.width, grey.height) / WORKING_SIDE);
  const contrast = findContrast(cv, resized(cv, dark, scaledSize(grey, 1 / scale), cv.INTER_AREA));
  const mask = findMask(cv, contrast);
  const data = contrast.data.map((value, i) => (mask.data[i] ? value : 0));
  return { ink: { ...contrast, data }, ...findComponents(cv, mask) };
}

/** @returns {{width: number, height: number}} a size that is a share of another, at least one pixel */
function scaledSize({ width, height }, share) {
  const [wide, high] = [width, height].map((side) => Math.max(1, roundToEven(side * share)));
  return { width: wide, height: high };
}

/** Returns the connected components of a mask: all of Strokes except the ink. */
function findComponents(cv, mask) {
  return withMatrices((keep) => {
    const [labels, stats, centroids] = [0, 0, 0].map(() => keep(new cv.Mat()));
    cv.connectedComponentsWithStats(keep(toMatrix(cv, mask)), labels, stats, centroids, 8, cv.CV_32S);
    const numbers = toField(cv, labels);
    const { data } = toField(cv, stats); // left, top, width, height and area of each, the paper's first
    const rows = Array.from({ length: stats.rows - 1 }, (_, row) => data.slice(5 * row + 5, 5 * row + 10));
    return {
      labels: numbers,
      boxes: rows.map(([left, top, width, height]) => [left, top, left + width, top + height]),
      areas: rows.map(([, , , , area]) => area),
      widths: widthsOf(cv, mask, numbers, rows.length),
    };
  });
}

/** @returns {number[]} the width of each component's widest stroke, pixels */
function widthsOf(cv, mask, labels, count) {
  const radius = apply(cv, mask, (source, target) => cv.distanceTransform(source, target, cv.DIST_L2, 3));
  const widest = new Array(count + 1).fill(0);
  labels.data.forEach((label, i) => {
    if (radius.data[i] > widest[label]) widest[label] = radius.data[i];
  });
  return widest.slice(1).map((width) => 2 * width);
}

/**
 * Returns how much darker than the paper each pixel is, as a share of the paper's shade, float32 in 0..1.
 * @param {Field} grey float32
 * @returns {Field}
 */
export function findContrast(cv, grey) {
  const paper = resized(cv, findPaper(cv, smallerCopy(cv, grey)), grey, cv.INTER_LINEAR).data;
  const data = grey.data.map((shade, i) => {
    const contrast = (paper[i] - shade) / Math.max(paper[i], DARKEST);
    return Math.min(Math.max(contrast, 0), 1);
  });
  return { ...grey, data };
}

/**
 * Returns a copy of at most this many pixels along each side, bytes, without specks.
 * @param {Field} grey float32
 * @param {number} side
 * @returns {Field}
 */
export function smallerCopy(cv, grey, side = PAPER_SIDE) {
  const share = Math.min(1, side / Math.max(grey.width, grey.height));
  const small = resized(cv, grey, scaledSize(grey, share), cv.INTER_AREA);
  return medianBlurred(cv, { ...small, data: convert(Uint8Array, small.data, roundToEven) }, 5);
}

function medianBlurred(cv, field, window) {
  return apply(cv, field, (source, target) => cv.medianBlur(source, target, window));
}

/** Returns a window's side in pixels, odd, from its share of the longest side. */
function oddWindow(share, { width, height }) {
  return Math.trunc(share * Math.max(width, height)) | 1;
}

/**
 * Returns whether the ink may be lighter than the paper: the likelier answer, then the other if possible too.
 * @param {Field} grey float32
 * @returns {boolean[]}
 */
export function mayBeLight(cv, grey) {
  const small = smallerCopy(cv, grey);
  const few = Math.trunc(STRONGEST * small.data.length) + 1;
  const found = GROUND_WINDOWS.map((share) => {
    const around = medianBlurred(cv, small, oddWindow(share, small));
    const differences = convert(Float32Array, small.data, (shade, i) => shade - around.data[i]).sort();
    return sum(differences.subarray(-few)) > -sum(differences.subarray(0, few));
  });
  return [...new Set(found)];
}

/**
 * Returns the paper's shade under dark ink, float32.
 * @param {Field} small bytes
 * @returns {Field}
 */
function findPaper(cv, small) {
  const paper = closedByDisc(small, oddWindow(PAPER_WINDOW, small));
  return blurred(cv, { ...paper, data: convert(Float32Array, paper.data) }, 2);
}

/**
 * Returns which pixels are ink, bytes 0 or 1.
 * @param {Field} contrast float32
 * @returns {Field}
 */
function findMask(cv, contrast) {
  const smooth = blurred(cv, contrast, 0.7);
  const noise = noiseOf(smooth);
  const inked = Math.trunc(INKED * smooth.data.length) + 1;
  const strongest = select(smooth.data.slice(), smooth.data.length - inked);
  const least = Math.max(FAINTEST, PAGE_INK * strongest, NOISE_MARGIN * noise);
  const window = Math.max(3, Math.trunc(INK_WINDOW * Math.max(contrast.width, contrast.height))) | 1;
  const nearby = averaged(cv, dilated(smooth, [window, window]), [window, window]).data;
  const data = convert(Uint8Array, smooth.data, (value, i) => (value > Math.max(LOCAL_INK * nearby[i], least) ? 1 : 0));
  const withoutLevel = withoutRules(cv, { ...contrast, data }, contrast, smooth, noise, turned(false));
  return withoutRules(cv, withoutLevel, contrast, smooth, noise, turned(true));
}

/** Returns the standard deviation of the paper's noise, from every third pixel of every third row. */
function noiseOf({ data, width }) {
  const values = data.filter((_, i) => (i % width) % 3 === 0 && Math.floor(i / width) % 3 === 0);
  const middle = median(values);
  return 1.48 * median(values.map((value) => Math.abs(value - middle)));
}

/** Returns a function that gives the width and height of a rectangle from its sides along and across ruled lines. */
function turned(upright) {
  return (along, across) => (upright ? [across, along] : [along, across]);
}

/** Returns a mask without the ruled lines of one direction, except for ink on them. */
function withoutRules(cv, mask, contrast, smooth, noise, size) {
  const rules = findRules(cv, contrast, noise, size).data;
  const level = averaged(cv, contrast, size(RULE_SMOOTHING, 1)).data;
  const isOff = (ink, i) => (ink && (!rules[i] || smooth.data[i] > DARKER * level[i]) ? 1 : 0);
  const off = mask.data.map(isOff);
  const bridged = morphed(cv, { ...mask, data: off }, cv.MORPH_CLOSE, size(1, RULE_WIDTH)).data;
  return { ...mask, data: off.map((ink, i) => (ink || (bridged[i] && rules[i] && mask.data[i]) ? 1 : 0)) };
}

/**
 * Returns where ruled lines of one direction are, bytes 0 or 1.
 * @param {Field} contrast float32
 * @param {number} noise
 * @param {(along: number, across: number) => [number, number]} size of `turned`
 * @returns {Field}
 */
function findRules(cv, contrast, noise, size) {
  const along = averaged(cv, contrast, size(RULE_GAP, 1));
  const wide = morphed(cv, along, cv.MORPH_OPEN, size(1, RULE_WIDTH)).data;
  const least = Math.max(FAINTEST_RULE, (NOISE_MARGIN * noise) / Math.sqrt(RULE_GAP));
  const data = convert(Uint8Array, along.data, (value, i) => (value - wide[i] > least ? 1 : 0));
  const found = morphed(cv, { ...contrast, data }, cv.MORPH_DILATE, size(1, 3));
  const [side] = size(contrast.width, contrast.height);
  const long = Math.max(RULE_RATIO * RULE_WIDTH, Math.trunc(RULE_LENGTH * side));
  return opened(found, size(long, 1));
}
