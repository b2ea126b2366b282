/** The self-test: golden vectors, golden pictures and golden pages, in this browser. */

import { CLASSES, SIDE } from './contract.js';
import { readDigits } from './pages.js';
import { NoDigit } from './pictures/normalization.js';
import { openPicture, readGrey, readPicture } from './pictures/reading.js';
import { load, RUNTIME } from './recognizer.js';
import { segmentInWorker } from './segmenter.js';

const GOLDEN = 'golden/';
const PIXELS = SIDE * SIDE;

/**
 * Compares the model's outputs, the converted pictures and the read pages with the reference outputs.
 * @param {import('./recognizer.js').Recognizer} recognizer
 * @returns {Promise<{lines: string[], failed: boolean}>} lines to show
 */
export async function selfTest(recognizer) {
  const results = [];
  for (const check of [checkModel, checkPictures, checkPages]) {
    results.push(await check(recognizer).catch((error) => ({ line: error.message, failed: true })));
  }
  return { lines: [...results.map(({ line }) => line), RUNTIME], failed: results.some(({ failed }) => failed) };
}

async function checkModel(recognizer) {
  const golden = await (await load(`${GOLDEN}golden.json`)).json();
  const pixels = await loadBytes(golden.pixels);
  const { digits, probabilities, digitness } = await recognizer.read(pixels);
  const differences = golden.cases.map((one, i) => Math.max(
    largestDifference(one.probabilities, probabilities, i * CLASSES), Math.abs(one.digitness - digitness[i]),
  ));
  const passed = golden.cases.map((one, i) => digits[i] === one.digit && differences[i] <= golden.tolerance);
  const largest = Math.max(...differences).toExponential(1);
  return report('golden vectors', passed, `, largest difference ${largest} of ${golden.tolerance.toExponential()} allowed`);
}

async function checkPictures() {
  const golden = await (await load(`${GOLDEN}pictures.json`)).json();
  const expected = await loadBytes(golden.pixels);
  const passed = [];
  for (const [i, path] of golden.pictures.entries()) {
    const pixels = await prepare(path);
    passed.push(pixels !== null && pixels.every((ink, k) => Math.abs(ink - expected[i * PIXELS + k]) <= 1));
  }
  for (const path of golden.blank) passed.push(await prepare(path) === null);
  return report('golden pictures', passed, ', within one grey level');
}

/** Reads the golden pages, which loads OpenCV, if the model is the one that produced their readings. */
async function checkPages(recognizer) {
  const [golden, vectors] = await Promise.all(['pages', 'golden'].map(async (name) => (
    (await load(`${GOLDEN}${name}.json`)).json()
  )));
  // From the golden vectors that the page was built with: a hash cannot be computed outside a secure context.
  if (vectors.model.sha256 !== golden.model.sha256) return { line: 'golden pages: of another model', failed: false };
  const passed = [];
  for (const { file, readings } of golden.pages) {
    const found = await withPicture(file, (bitmap) => readDigits(readGrey(bitmap), recognizer, segmentInWorker));
    passed.push(areSame(found, readings, golden.tolerance));
  }
  return report('golden pages', passed, ' (this loads OpenCV, 13 MB)');
}

function areSame(found, expected, tolerance) {
  return found.length === expected.length && found.every((reading, i) => isSame(reading, expected[i], tolerance));
}

function isSame(found, expected, tolerance) {
  return ['line', 'number', 'digit', 'refused'].every((name) => found[name] === expected[name])
    && ['probability', 'digitness'].every((name) => Math.abs(found[name] - expected[name]) <= tolerance)
    && found.box.every((place, i) => Math.abs(place - expected.box[i]) <= 1);
}

/** @returns {Promise<Uint8Array | null>} 784 pixels, or null if there is no digit in the picture */
async function prepare(path) {
  try {
    return await withPicture(path, (bitmap) => readPicture(bitmap, path));
  } catch (error) {
    if (error instanceof NoDigit) return null;
    throw error;
  }
}

/** Opens a golden picture, and returns the result of `use`. */
async function withPicture(path, use) {
  const bitmap = await openPicture(await (await load(GOLDEN + path)).blob(), path);
  try {
    return await use(bitmap);
  } finally {
    bitmap.close();
  }
}

async function loadBytes(name) {
  return new Uint8Array(await (await load(GOLDEN + name)).arrayBuffer());
}

function largestDifference(expected, found, from) {
  return Math.max(...expected.map((value, k) => Math.abs(value - found[from + k])));
}

function report(what, passed, detail) {
  const failed = passed.filter((good) => !good).length;
  return { line: `${what}: ${passed.length - failed} passed, ${failed} failed${detail}`, failed: failed > 0 || !passed.length };
}
