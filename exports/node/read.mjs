// Reads digits from raw pixels: node read.mjs MODEL.onnx PIXELS.bin
// PIXELS.bin holds 28 x 28 bytes a digit, rows from the top, 0 = paper, 255 = ink.
import { readFile } from "node:fs/promises";
import { argv, exit } from "node:process";
import { InferenceSession, Tensor } from "onnxruntime-node";

if (argv.length !== 4) exit(console.error("usage: node read.mjs MODEL.onnx PIXELS.bin") ?? 1);
const session = await InferenceSession.create(argv[2]);
const bytes = new Uint8Array(await readFile(argv[3]));
const pixels = new Tensor("uint8", bytes, [bytes.length / 784, 28, 28]);
const { digit, probabilities, digitness } = await session.run({ pixels });
digit.data.forEach((value, i) => {
  const probability = probabilities.data[10 * i + Number(value)];
  console.log((digitness?.data[i] ?? 1) >= 0.5 ? `${value} ${probability.toFixed(4)}` : "no digit");
});
