/** Segments pages in a worker, which starts and loads OpenCV (13 MB) with the first page. */

/**
 * @typedef {import('./pictures/fields.js').Field} Field
 * @typedef {import('./segmentation.js').Way} Way
 */

let worker = null;
let asked = 0; // the number of the last page
const waiting = new Map(); // the callbacks of each page's promise, by the page's number

/**
 * Segments a page as segmentation.js does.
 * @param {Field} grey float32, 0 black .. 255 white
 * @returns {Promise<Way[]>}
 * @throws {Error} if the worker or OpenCV cannot be loaded, or there is not enough memory; a later call tries again
 */
export function segmentInWorker(grey) {
  worker ??= startWorker();
  return new Promise((resolve, reject) => {
    worker.postMessage({ id: ++asked, grey });
    waiting.set(asked, { resolve, reject });
  });
}

function startWorker() {
  const started = new Worker(new URL('segmentation-worker.js', import.meta.url), { type: 'module' });
  started.onmessage = ({ data: { id, ways, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (!error) return resolve(ways);
    if (!waiting.size) stopWorker(started); // its memory may be full, or OpenCV not loaded
    return reject(new Error(error));
  };
  started.onerror = started.onmessageerror = (event) => {
    event.preventDefault();
    stopWorker(started);
    for (const { reject } of waiting.values()) reject(new Error('the worker that segments pages could not be loaded'));
    waiting.clear();
  };
  return started;
}

function stopWorker(started) {
  started.terminate();
  if (worker === started) worker = null;
}
