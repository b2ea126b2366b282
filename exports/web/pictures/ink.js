/**
 * Ink and paper: how much each pixel of a picture differs from the paper it is on.
 *
 * The same as flaxdigits/pictures/ink.py, function by function, to within a grey level; the reasons are given there.
 */

import { edgeOf, largest, resize, roundToEven, smallest, sum, transpose } from './fields.js';

/** @typedef {import('./fields.js').Field} Field */

export const FAINTEST = 24; // smallest difference from the paper, of 255, that counts as ink
const NOISE_MARGIN = 5; // ink must stand out from the paper by this many times the paper's own spread
const EVEN_SHARE = 0.99; // of the picture's edge; if more of it differs from the paper, the paper is uneven
const PHOTO_SIDE = 112; // longest side at which uneven paper is analysed: four pixels for each of the 28
const PHOTO_WINDOW = 0.35; // the paper's shade is a mean over this share of the longest side to each side of a pixel
const PHOTO_INK = 0.4; // share of the strongest ink below which a pixel on uneven paper is shadow or a ruled line
const PHOTO_PASSES = 3; // times that ink is detected and excluded from the paper's mean
const STROKE_EDGE = 4; // pixels around a stroke, of those 112, that contain its soft edge

/**
 * Returns how much each pixel differs from the paper, 0..255; scaled down if the paper is uneven.
 * @param {Field} grey
 * @returns {Field}
 */
export function findInk(grey) {
  const edge = edgeOf(grey);
  const paper = quantile(edge, 0.5);
  const off = edge.map((shade) => Math.abs(shade - paper));
  const darker = paper - smallest(grey.data) > largest(grey.data) - paper;
  const noise = quantile(off, 0.5);
  if (noise >= 1 && Math.max(grey.width, grey.height) > PHOTO_SIDE && quantile(off, EVEN_SHARE) >= FAINTEST) {
    return findInkOnUneven(shrink(darker ? grey : { ...grey, data: grey.data.map((shade) => 255 - shade) }));
  }
  const data = grey.data.map((shade) => {
    const ink = darker ? paper - shade : shade - paper;
    return ink > 0 && ink > NOISE_MARGIN * noise ? ink : 0;
  });
  return { ...grey, data };
}

/**
 * Returns how much darker each pixel is than the paper around it, 0..255.
 * @param {Field} grey
 * @returns {Field}
 */
export function findInkOnUneven({ data, width, height }) {
  const grey = Float64Array.from(data);
  const around = (values, radius) => sumAround({ data: values, width, height }, radius);
  const radius = Math.trunc(PHOTO_WINDOW * Math.max(width, height));
  let isPaper = new Float64Array(grey.length).fill(1);
  let [ink, faintest] = [null, 0];
  for (let pass = 0; pass < PHOTO_PASSES; pass++) {
    const shades = grey.map((shade, i) => shade * isPaper[i]);
    const [total, area] = [around(shades, radius), around(isPaper, radius)];
    const overall = sum(shades) / sum(isPaper);
    ink = grey.map((shade, i) => (area[i] > 0 ? total[i] / area[i] : overall) - shade);
    faintest = PHOTO_INK * Math.max(largest(ink), FAINTEST);
    isPaper = ink.map((value) => (value < faintest ? 1 : 0));
  }
  const offPaper = ink.filter((_, i) => isPaper[i]).map(Math.abs);
  faintest = Math.max(faintest, NOISE_MARGIN * quantile(offPaper, 0.5));
  const strokesNear = around(ink.map((value) => (value >= faintest ? 1 : 0)), STROKE_EDGE);
  return { data: Float32Array.from(ink, (value, i) => (strokesNear[i] > 0 ? Math.max(value, 0) : 0)), width, height };
}

/**
 * Returns, for each pixel, the sum over the square of this radius around it, cut off at the picture's edges.
 * @param {{data: Float64Array, width: number, height: number}} values
 * @param {number} radius
 * @returns {Float64Array} [height, width]
 */
function sumAround(values, radius) {
  return sumAlongRows(transpose(sumAlongRows(transpose(values), radius)), radius).data;
}

function sumAlongRows({ data, width, height }, radius) {
  const sums = new Float64Array(width + 1);
  const around = new Float64Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) sums[x + 1] = sums[x] + data[y * width + x];
    for (let x = 0; x < width; x++) {
      around[y * width + x] = sums[Math.min(x + radius + 1, width)] - sums[Math.max(x - radius, 0)];
    }
  }
  return { data: around, width, height };
}

/** Scales a picture down to a longer side of PHOTO_SIDE; a smaller one is returned unchanged. */
function shrink(grey) {
  const share = PHOTO_SIDE / Math.max(grey.width, grey.height);
  if (share >= 1) return grey;
  const [height, width] = [grey.height, grey.width].map((side) => Math.max(1, roundToEven(side * share)));
  return resize(grey, width, height);
}

/** Returns the quantile at `share`, without interpolation. */
function quantile(values, share) {
  return values.slice().sort()[Math.trunc(share * (values.length - 1))];
}
