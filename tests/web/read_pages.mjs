// Reads grey pictures as exports/web/pages.js does, for test_node_pages.py: node read_pages.mjs MODEL.onnx < JOBS
// JOBS is a JSON list of {file, width, height, mode, withoutOpenCV}; a file holds width x height bytes. Prints a JSON
// list of {readings, milliseconds}, without the ten probabilities, and pixels in base64.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { argv } from 'node:process';
import { readDigits } from '../../exports/web/pages.js';
import { segment } from '../../exports/web/segmentation.js';

const require = createRequire(new URL('../../exports/node/', import.meta.url)); // where the packages are
const { InferenceSession, Tensor } = require('onnxruntime-node');
const cv = await require('@techstark/opencv-js');
const session = await InferenceSession.create(argv[2]);
const recognizer = {
  threshold: session.outputNames.includes('digitness') ? undefined : 0,
  async read(pixels) {
    const input = new Tensor('uint8', pixels, [pixels.length / 784, 28, 28]);
    const { digit, probabilities, digitness } = await session.run({ pixels: input });
    return { digits: Array.from(digit.data, Number), probabilities: probabilities.data, digitness: digitness?.data };
  },
};

const found = [];
for (const { file, width, height, mode, withoutOpenCV } of JSON.parse(readFileSync(0, 'utf8'))) {
  const grey = { data: Float32Array.from(readFileSync(file)), width, height };
  const began = performance.now();
  const segmenting = withoutOpenCV ? null : async (page) => segment(cv, page);
  const readings = await readDigits(grey, recognizer, segmenting, mode);
  found.push({ milliseconds: performance.now() - began, readings: readings.map(plain) });
}
console.log(JSON.stringify(found));

function plain({ probabilities, pixels, ...reading }) {
  return { ...reading, pixels: Buffer.from(pixels).toString('base64') };
}
