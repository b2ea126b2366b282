// Checks that a model matches its reference outputs in Node: node verify.mjs [MODEL.onnx [GOLDEN_FOLDER]]
import { readFile } from "node:fs/promises";
import { argv, exit, versions } from "node:process";
import { fileURLToPath } from "node:url";
import { env, InferenceSession, Tensor } from "onnxruntime-node";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const [model = here("../digits.onnx"), folder = here("../golden")] = argv.slice(2);
const { cases, tolerance, shape, pixels: file } = JSON.parse(await readFile(`${folder}/golden.json`, "utf8"));
const pixels = new Uint8Array(await readFile(`${folder}/${file}`));
const session = await InferenceSession.create(model);
const { digit, probabilities, digitness } = await session.run({ pixels: new Tensor("uint8", pixels, shape) });

const differences = cases.map((expected, i) =>
  Math.max(
    ...expected.probabilities.map((value, k) => Math.abs(value - probabilities.data[10 * i + k])),
    Math.abs(expected.digitness - (digitness?.data[i] ?? 1)),
  ),
);
const failed = cases.filter((expected, i) => Number(digit.data[i]) !== expected.digit || !(differences[i] <= tolerance));
failed.forEach(({ name }) => console.error(`does not match its reference output: ${name}`));
const runtime = `onnxruntime-node ${env.versions.node}, Node ${versions.node}`;
const largest = Math.max(...differences).toExponential(1);
console.log(`${cases.length - failed.length} of ${cases.length} golden vectors passed (${runtime}, largest difference ${largest})`);
exit(failed.length || !cases.length ? 1 : 0);
