// Reads digits from raw pixels: node read.mjs MODEL.onnx PIXELS.bin
// PIXELS.bin holds 28 x 28 bytes a digit, rows from the top, 0 = paper, 255 = ink.
import { readFile } from "node:fs/promises";
import { argv } from "node:process";
import { pathToFileURL } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";

/** Takes a Uint8Array of n * 784 pixels; gives the digits, and ten probabilities for each. */
export async function read(session, pixels) {
  const batch = new Tensor("uint8", pixels, [pixels.length / 784, 28, 28]);
  const { digit, probabilities } = await session.run({ pixels: batch });
  return { digits: Array.from(digit.data, Number), probabilities: probabilities.data };
}

if (import.meta.url === pathToFileURL(argv[1]).href) {
  const session = await InferenceSession.create(argv[2]);
  const { digits, probabilities } = await read(session, new Uint8Array(await readFile(argv[3])));
  digits.forEach((digit, i) => console.log(digit, probabilities[10 * i + digit].toFixed(4)));
}
