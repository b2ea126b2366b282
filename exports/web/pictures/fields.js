/** Two-dimensional arrays, and what numpy and Pillow offer for them. */

/**
 * @typedef {{data: Float32Array | Float64Array | Int32Array | Uint8Array, width: number, height: number}} Field
 *   [height, width], row after row
 * @typedef {[number, number, number, number]} Box left, top, right, bottom, pixels; the last two are exclusive
 */

/**
 * Scales as Pillow's Image.resize does with Resampling.BOX in mode F: each pixel is the mean of those whose centres
 * lie in its box.
 * @param {Field} field
 * @param {number} width
 * @param {number} height
 * @returns {Field}
 */
export function resize(field, width, height) {
  return transpose(resizeRows(transpose(resizeRows(field, width)), height));
}

function resizeRows({ data, width, height }, wide) {
  const spans = spansOf(width, wide);
  const scaled = new Float32Array(wide * height);
  for (let y = 0; y < height; y++) {
    spans.forEach(([from, to], x) => {
      let total = 0;
      for (let i = from; i < to; i++) total += data[y * width + i];
      scaled[y * wide + x] = total / (to - from);
    });
  }
  return { data: scaled, width: wide, height };
}

/**
 * Returns [from, to) of `size` pixels for each of `wanted`, by the formulas of Pillow's precompute_coeffs: where a
 * centre is on the edge of two boxes, rounding decides between them, and has to decide as it does there.
 */
function spansOf(size, wanted) {
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
  const turned = new data.constructor(data.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) turned[x * height + y] = data[y * width + x];
  return { data: turned, width: height, height: width };
}

/**
 * Returns the part of a field that is in a box.
 * @param {Field} field
 * @param {Box} box
 * @returns {Field}
 */
export function crop({ data, width }, [left, top, right, bottom]) {
  const cropped = new data.constructor((bottom - top) * (right - left));
  for (let y = top; y < bottom; y++) {
    cropped.set(data.subarray(y * width + left, y * width + right), (y - top) * (right - left));
  }
  return { data: cropped, width: right - left, height: bottom - top };
}

/**
 * Returns the box around the wanted pixels, or null if none is wanted.
 * @param {Field} field
 * @param {(value: number) => boolean} wanted
 * @returns {Box | null}
 */
export function boxAround({ data, width, height }, wanted) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  data.forEach((value, i) => {
    if (!wanted(value)) return;
    const [y, x] = [Math.floor(i / width), i % width];
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x + 1);
    bottom = Math.max(bottom, y + 1);
  });
  return right ? [left, top, right, bottom] : null;
}

/**
 * Returns the values along the four edges of a field, the corners twice.
 * @param {Field} field
 */
export function edgeOf({ data, width, height }) {
  const column = (x) => Array.from({ length: height }, (_, y) => data[y * width + x]);
  const [top, bottom] = [data.subarray(0, width), data.subarray((height - 1) * width)];
  return Float32Array.from([...top, ...bottom, ...column(0), ...column(width - 1)]);
}

/**
 * Returns values in an array of another type; TypedArray.from, which uses an iterator, takes ten times as long.
 * @template {Float32Array | Float64Array | Uint8Array} T
 * @param {new (length: number) => T} Kind
 * @param {ArrayLike<number>} values
 * @param {(value: number, place: number) => number} change
 * @returns {T}
 */
export function convert(Kind, values, change = (value) => value) {
  const converted = new Kind(values.length);
  for (let i = 0; i < values.length; i++) converted[i] = change(values[i], i);
  return converted;
}

/** Rounds halves to even, as numpy's rint and Python's round do. */
export function roundToEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** @param {ArrayLike<number>} values */
export function sum(values) {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}

/** @param {Float32Array | Float64Array | number[]} values */
export function largest(values) {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}

/** @param {Float32Array | Float64Array | number[]} values */
export function smallest(values) {
  return values.reduce((least, value) => Math.min(least, value), Infinity);
}

/**
 * Returns the middle value, or the mean of the two in the middle; NaN without any.
 * @param {Float32Array | Uint8Array | number[]} values
 */
export function median(values) {
  const own = convert(Float64Array, values);
  const middle = own.length >> 1;
  return own.length % 2 ? select(own, middle) : (select(own, middle - 1) + select(own, middle)) / 2;
}

/**
 * Returns the value that is at a place after sorting; with C. A. R. Hoare's quickselect, since sorting a page's pixels
 * takes as long as everything else.
 * @param {Float32Array | Float64Array} values reordered
 * @param {number} place from 0
 */
export function select(values, place) {
  let [first, last] = [0, values.length - 1];
  while (first < last) {
    const pivot = values[(first + last) >> 1];
    let [low, high] = [first, last];
    while (low <= high) {
      while (values[low] < pivot) low++;
      while (values[high] > pivot) high--;
      if (low <= high) {
        const value = values[low];
        values[low++] = values[high];
        values[high--] = value;
      }
    }
    if (place <= high) last = high;
    else if (place >= low) first = low;
    else break; // between the two parts all are equal to the pivot
  }
  return values[place];
}
