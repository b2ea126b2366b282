// Puts the site together in dist/: node build.mjs [MODEL.onnx] [GOLDEN_FOLDER]

import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const [model = join(here, '../digits.onnx'), golden = join(here, '../golden')] = process.argv.slice(2);
const SOURCES = [
  'index.html', 'style.css', 'app.js', 'answer.js', 'contract.js', 'drawing.js', 'fields.js', 'ink.js', 'pictures.js', 'recognizer.js',
  'selftest.js',
];
const RUNTIME = ['ort.wasm.bundle.min.mjs', 'ort-wasm-simd-threaded.wasm'];

const parts = [
  ...SOURCES.map((name) => [join(here, name), name]),
  ...RUNTIME.map((name) => [join(here, 'node_modules/onnxruntime-web/dist', name), name]),
  [model, 'digits.onnx'],
  [golden, 'golden'],
];
const missing = parts.map(([from]) => from).filter((from) => !existsSync(from));
if (missing.length) {
  console.error(`missing: ${missing.join(', ')}; for node_modules, run npm ci first`);
  process.exit(1);
}
const dist = join(here, 'dist');
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
for (const [from, to] of parts) cpSync(from, join(dist, to), { recursive: true });
console.log(`${dist}: ready; serve it with python -m http.server --bind 127.0.0.1 --directory ${dist}`);
