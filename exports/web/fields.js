/** Two-dimensional arrays, with operations that match numpy's and Pillow's to the last bit. */

/**
 * @typedef {{data: Float32Array | Float64Array, width: number, height: number}} Field [height, width], row after row
 */

/**
 * Scales as Pillow's Image.resize does with Resampling.BOX in mode F: the rows first, then the
 * columns; each pixel is the mean of those whose centres lie in its box, summed in float64.
 * @param {Field} field
 * @param {number} width
 * @param {number} height
 * @returns {Field}
 */
export function resize(field, width, height) {
  return transpose(resizeRows(transpose(resizeRows(field, width)), height));
}

function resizeRows({ data, width, height }, wide) {
  const spans = boxes(width, wide);
  const scaled = new Float32Array(wide * height);
  for (let y = 0; y < height; y++) {
    spans.forEach(([from, to], x) => {
      const share = 1 / (to - from);
      let mean = 0;
      for (let i = from; i < to; i++) mean += data[y * width + i] * share;
      scaled[y * wide + x] = mean;
    });
  }
  return { data: scaled, width: wide, height };
}

/** Pillow's precompute_coeffs for the box filter: [from, to) of `size` pixels for each of `wanted`. */
function boxes(size, wanted) {
  const scale = size / wanted;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: wanted }, (_, x) => {
    const middle = (x + 0.5) * scale;
    const inside = (i) => {
      const at = (i - middle + 0.5) * (1 / stretch);
      return at > -0.5 && at <= 0.5;
    };
    let from = Math.max(Math.trunc(middle - stretch / 2 + 0.5), 0);
    let to = Math.min(Math.trunc(middle + stretch / 2 + 0.5), size);
    while (!inside(from)) from++;
    while (!inside(to - 1)) to--;
    return [from, to];
  });
}

/**
 * Swaps rows and columns.
 * @param {Field} field
 * @returns {Field}
 */
export function transpose({ data, width, height }) {
  const turned = data.map((_, i) => data[(i % height) * width + Math.floor(i / height)]);
  return { data: turned, width: height, height: width };
}

/** Rounds halves to even, as numpy's rint and Python's round do. */
export function roundToEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/**
 * Sums pairwise as numpy does, in the precision of the array, so that rounding is the same.
 * @param {Float32Array | Float64Array} values
 * @returns {number}
 */
export function sum(values) {
  const exact = values instanceof Float32Array ? Math.fround : Number;
  const { length } = values;
  if (length > 128) {
    const half = Math.trunc(length / 16) * 8;
    return exact(sum(values.subarray(0, half)) + sum(values.subarray(half)));
  }
  const whole = length - length % 8;
  let total = 0;
  if (whole) {
    const parts = values.slice(0, 8);
    for (let i = 8; i < whole; i++) parts[i % 8] += values[i];
    for (const step of [1, 2, 4]) for (let i = 0; i < 8; i += 2 * step) parts[i] += parts[i + step];
    total = parts[0];
  }
  for (let i = whole; i < length; i++) total = exact(total + values[i]);
  return total;
}

/** @param {Float32Array | Float64Array} values */
export function largest(values) {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}

/** @param {Float32Array | Float64Array} values */
export function smallest(values) {
  return values.reduce((least, value) => Math.min(least, value), Infinity);
}
