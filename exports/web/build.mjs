// Builds the site in dist/: just web [MODEL.onnx GOLDEN_FOLDER], or node build.mjs with the same arguments.

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const given = process.argv.slice(2);
if (given.length === 1 || given.length > 2) fail('usage: just web [MODEL.onnx GOLDEN_FOLDER]; both or none');
const [model, golden] = given.length ? given : [join(here, '../digits.onnx'), join(here, '../golden')];
const SOURCES = [
  'index.html', 'style.css', 'app.js', 'contract.js', 'lattice.js', 'pages.js', 'pictures', 'recognizer.js',
  'segmentation-worker.js', 'segmentation.js', 'segmenter.js', 'selftest.js', 'text.js', 'ui',
];
const PACKAGES = [
  ['onnxruntime-web/dist/ort.wasm.bundle.min.mjs', 'ort.wasm.bundle.min.mjs'],
  ['onnxruntime-web/dist/ort-wasm-simd-threaded.wasm', 'ort-wasm-simd-threaded.wasm'],
  ['@techstark/opencv-js/dist/opencv.js', 'opencv.js'],
  ['fflate/esm/browser.js', 'fflate.js'],
];
const PICTURES = ['pictures.json', 'pictures.bin', 'pictures', 'pages.json', 'pages']; // the same for every model

const parts = [
  ...SOURCES.map((name) => [join(here, name), name]),
  ...PACKAGES.map(([from, to]) => [join(here, 'node_modules', from), to]),
  [model, 'digits.onnx'],
  [join(golden, 'golden.json'), 'golden/golden.json'],
  [join(golden, 'pixels.bin'), 'golden/pixels.bin'],
  ...PICTURES.map((name) => [join(here, '../golden', name), join('golden', name)]),
];
if (!existsSync(join(here, 'node_modules'))) fail(`${here}: run npm ci here first`);
const missing = parts.map(([from]) => from).filter((from) => !existsSync(from));
if (missing.length) fail(`missing: ${missing.join(', ')}`);
const sha256 = createHash('sha256').update(readFileSync(model)).digest('hex');
if (JSON.parse(readFileSync(join(golden, 'golden.json'))).model.sha256 !== sha256) {
  fail(`${golden}: golden vectors of another file than ${model}; write both with: flaxdigits export RUN --golden FOLDER`);
}

const dist = join(here, 'dist');
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
for (const [from, to] of parts) cpSync(from, join(dist, to), { recursive: true });
console.log(`${dist}: built`);

function fail(message) {
  console.error(message);
  process.exit(1);
}
