// Reads the digits of a photograph, line by line: node pages.mjs PICTURE [MODEL.onnx]
// A picture of one digit is read as well; what is probably no digit is left out.
import { argv, exit } from "node:process";
import { fileURLToPath } from "node:url";
import opencv from "@techstark/opencv-js";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";
import { readDigits } from "../web/pages.js";
import { toGrey } from "../web/pictures/reading.js";
import { segment } from "../web/segmentation.js";
import { textOf } from "../web/text.js";

const [picture, model = fileURLToPath(new URL("../digits.onnx", import.meta.url))] = argv.slice(2);
if (!picture) exit(console.error("usage: node pages.mjs PICTURE [MODEL.onnx]") ?? 1);
const [cv, session] = [await opencv, await InferenceSession.create(model)];
async function read(bytes) {
  const pixels = new Tensor("uint8", bytes, [bytes.length / 784, 28, 28]);
  const { digit, probabilities, digitness } = await session.run({ pixels });
  return { digits: Array.from(digit.data, Number), probabilities: probabilities.data, digitness: digitness?.data };
}
const upright = sharp(picture).autoOrient().toColourspace("srgb").ensureAlpha().raw();
const decoding = upright.toBuffer({ resolveWithObject: true });
const { data, info } = await decoding.catch(({ message }) => exit(console.error(`${picture}: ${message}`) ?? 1));
const threshold = session.outputNames.includes("digitness") ? undefined : 0; // 0: the model takes everything for a digit
const readings = await readDigits(toGrey({ data, ...info }), { read, threshold }, async (grey) => segment(cv, grey));
const text = textOf(readings);
if (text) console.log(text);
exit(text ? 0 : (console.error(`${picture}: no digit stands out from the paper`) ?? 1));
