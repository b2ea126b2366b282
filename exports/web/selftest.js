/** The self-test: golden vectors and golden pictures, in this browser. */

import { CLASSES, SIDE } from './contract.js';
import { NoDigit } from './pictures/normalization.js';
import { openPicture, readPicture } from './pictures/reading.js';
import { load, RUNTIME } from './recognizer.js';

const GOLDEN = 'golden/';
const PIXELS = SIDE * SIDE;

/**
 * Compares the model's outputs and the converted pictures with the reference outputs.
 * @param {import('./recognizer.js').Recognizer} recognizer
 * @returns {Promise<{lines: string[], failed: boolean}>} lines to show
 */
export async function selfTest(recognizer) {
  const results = [await checkModel(recognizer), await checkPictures()];
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
    passed.push(pixels !== null && pixels.every((ink, k) => ink === expected[i * PIXELS + k]));
  }
  for (const path of golden.blank) passed.push(await prepare(path) === null);
  return report('golden pictures', passed, ', byte for byte');
}

/** @returns {Promise<Uint8Array | null>} 784 pixels, or null if there is no digit in the picture */
async function prepare(path) {
  const bitmap = await openPicture(await (await load(GOLDEN + path)).blob(), path);
  try {
    return readPicture(bitmap, path);
  } catch (error) {
    if (error instanceof NoDigit) return null;
    throw error;
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
