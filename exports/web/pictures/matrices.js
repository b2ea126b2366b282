/**
 * OpenCV on fields: each operation copies a field in and its result out, and frees the WebAssembly memory that it used,
 * which no garbage collector does.
 *
 * `cv` is the module of @techstark/opencv-js, loaded.
 */

/** @typedef {import('./fields.js').Field} Field */

/**
 * Runs work with OpenCV's objects, and frees them after it.
 * @template T
 * @param {(keep: <M>(object: M) => M) => T} work hands each object that it makes to `keep`, which returns it
 * @returns {T}
 */
export function withMatrices(work) {
  const made = [];
  const keep = (object) => {
    made.push(object);
    return object;
  };
  try {
    return work(keep);
  } finally {
    for (const object of made) object.delete();
  }
}

/**
 * Copies a field into a new matrix, which has to be freed.
 * @param {Field} field of bytes or float32
 */
export function toMatrix(cv, { data, width, height }) {
  const isBytes = data instanceof Uint8Array;
  const matrix = new cv.Mat(height, width, isBytes ? cv.CV_8UC1 : cv.CV_32FC1);
  (isBytes ? matrix.data : matrix.data32F).set(data);
  return matrix;
}

/**
 * Copies a matrix of bytes, int32 or float32.
 * @returns {Field}
 */
export function toField(cv, matrix) {
  const views = { [cv.CV_8UC1]: 'data', [cv.CV_32SC1]: 'data32S', [cv.CV_32FC1]: 'data32F' };
  return { data: matrix[views[matrix.type()]].slice(), width: matrix.cols, height: matrix.rows };
}

/**
 * Applies an operation of OpenCV.
 * @param {Field} field
 * @param {(source, target, keep) => void} operation from one matrix to another; `keep` as in `withMatrices`
 * @returns {Field}
 */
export function apply(cv, field, operation) {
  return withMatrices((keep) => {
    const [source, target] = [keep(toMatrix(cv, field)), keep(new cv.Mat())];
    operation(source, target, keep);
    return toField(cv, target);
  });
}

/**
 * @param {Field} field
 * @param {{width: number, height: number}} size
 * @param {number} interpolation such as cv.INTER_AREA
 * @returns {Field}
 */
export function resized(cv, field, { width, height }, interpolation) {
  return apply(cv, field, (source, target) => {
    cv.resize(source, target, new cv.Size(width, height), 0, 0, interpolation);
  });
}

/**
 * Dilates, erodes, closes or opens with a small rectangle; what is outside the field has no effect.
 * @param {Field} field
 * @param {number} operation such as cv.MORPH_CLOSE
 * @param {[number, number]} size of the rectangle: width, height, pixels
 * @returns {Field}
 */
export function morphed(cv, field, operation, [width, height]) {
  return apply(cv, field, (source, target, keep) => {
    cv.morphologyEx(source, target, operation, keep(cv.Mat.ones(height, width, cv.CV_8UC1)));
  });
}

/**
 * Returns the mean of the rectangle around each pixel.
 * @param {Field} field
 * @param {[number, number]} size of the rectangle: width, height, pixels
 * @returns {Field}
 */
export function averaged(cv, field, [width, height]) {
  return apply(cv, field, (source, target) => cv.blur(source, target, new cv.Size(width, height)));
}

/**
 * Blurs with a Gaussian.
 * @param {Field} field float32
 * @param {number} sigma pixels
 * @returns {Field}
 */
export function blurred(cv, field, sigma) {
  return apply(cv, field, (source, target) => cv.GaussianBlur(source, target, new cv.Size(0, 0), sigma));
}
