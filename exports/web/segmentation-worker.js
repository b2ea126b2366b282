/**
 * The worker that segments pages: {id, grey} in, {id, ways} or {id, error} out.
 *
 * A worker, because a page takes long, and because OpenCV's module makes functions from text (`new Function`), which
 * the page's Content-Security-Policy forbids; a worker has that of its own response, which scripts/serve.py relaxes.
 */

import { segment } from './segmentation.js';

/** @typedef {import('./pictures/fields.js').Field} Field */

/** OpenCV's module, which is loaded once; opencv.js leaves it, or a promise of it, in globalThis.cv. */
const loading = import('./opencv.js').then(() => globalThis.cv);

/** @param {{data: {id: number, grey: Field}}} message */
globalThis.onmessage = async ({ data: { id, grey } }) => {
  try {
    const ways = segment(await loading, grey);
    const groups = ways.flatMap(({ lines }) => lines.flatMap((line) => line.groups));
    postMessage({ id, ways }, groups.map(({ pixels }) => pixels.buffer)); // transferred, not copied
  } catch (error) {
    postMessage({ id, error: `the page could not be segmented: ${reasonOf(error)}` });
  }
};

loading.catch(() => {}); // each message's answer reports it; there may be no message yet

/** Returns the message of an error; OpenCV throws some as numbers. */
function reasonOf(error) {
  return error instanceof Error ? error.message : `OpenCV's error ${error}`;
}
