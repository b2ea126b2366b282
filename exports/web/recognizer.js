/** The model: pixels in, probabilities out, with onnxruntime-web on WebAssembly. */

import { SIDE, THRESHOLD } from './contract.js';
import * as ort from './ort.wasm.bundle.min.mjs';

export const RUNTIME = `onnxruntime-web ${ort.env.versions.web}`;

// A single thread needs no COOP and COEP headers, so any static server works.
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { wasm: new URL('ort-wasm-simd-threaded.wasm', import.meta.url).href };

/**
 * Loads a file of this site.
 * @param {string} path
 * @returns {Promise<Response>}
 * @throws {Error} if the server has no such file
 */
export async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: the server answered ${response.status}`);
  return response;
}

export class Recognizer {
  #session;

  /** SHA-256 of the file, hexadecimal; empty without a secure context (https or localhost), needed to compute it. */
  sha256;

  /** Of digitness; 0 for a model that does not output it. */
  threshold;

  constructor(session, sha256) {
    this.#session = session;
    this.sha256 = sha256;
    this.threshold = session.outputNames.includes('digitness') ? THRESHOLD : 0;
  }

  /** @param {string} path of an .onnx file that satisfies the contract of flaxdigits */
  static async load(path) {
    const bytes = new Uint8Array(await (await load(path)).arrayBuffer());
    const sha256 = await hash(bytes);
    return new Recognizer(await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] }), sha256);
  }

  /**
   * Reads digits.
   * @param {Uint8Array} pixels n * 784, 0 = paper, 255 = ink, rows from the top
   * @returns {Promise<{digits: number[], probabilities: Float32Array, digitness: Float32Array}>} n digits, n * 10
   *   probabilities, and n times the digitness: 1 surely a digit, 0 surely not; 1 from a model without this output
   */
  async read(pixels) {
    const shape = [pixels.length / (SIDE * SIDE), SIDE, SIDE];
    const found = await this.#session.run({ pixels: new ort.Tensor('uint8', pixels, shape) });
    const digitness = found.digitness?.data ?? new Float32Array(shape[0]).fill(1);
    return { digits: Array.from(found.digit.data, Number), probabilities: found.probabilities.data, digitness };
  }
}

async function hash(bytes) {
  if (!globalThis.crypto?.subtle) return '';
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
