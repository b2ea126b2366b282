// Compares exports/web/pictures/morphology.js with OpenCV, for test_twins.py: fields and windows of many sizes.
// Prints how many results were compared, and which of them differ.
import { createRequire } from 'node:module';
import { apply } from '../../exports/web/pictures/matrices.js';
import { closedByDisc, dilated, eroded, opened } from '../../exports/web/pictures/morphology.js';

const cv = await createRequire(new URL('../../exports/node/', import.meta.url))('@techstark/opencv-js');
const RECTANGLES = [[1, 1], [3, 1], [2, 2], [4, 6], [31, 31], [180, 1], [1, 135], [1, 44]];
const DISCS = [1, 3, 5, 9, 35, 45];
const OPERATIONS = { dilated: cv.MORPH_DILATE, eroded: cv.MORPH_ERODE, opened: cv.MORPH_OPEN };
const different = [];
let [compared, state] = [0, 1];

/** A random number in 0..1, the same each time. */
function random() {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
}

function compare(name, field, found, operation, makeWindow) {
  const expected = apply(cv, field, (source, target, keep) => {
    cv.morphologyEx(source, target, operation, keep(makeWindow()));
  });
  compared++;
  const isSame = found.data.every((value, i) => value === expected.data[i]);
  if (!isSame) different.push(`${name} of ${field.width}x${field.height}`);
}

for (const [width, height] of [[1, 1], [5, 1], [1, 7], [40, 30], [61, 43], [200, 3]]) {
  for (const [Kind, most] of [[Uint8Array, 255], [Float32Array, 1]]) {
    const field = { data: new Kind(width * height).map(() => most * random()), width, height };
    for (const [wide, high] of RECTANGLES) {
      for (const [name, operate] of Object.entries({ dilated, eroded, opened })) {
        const makeWindow = () => cv.Mat.ones(high, wide, cv.CV_8UC1);
        compare(`${name} by ${wide}x${high}`, field, operate(field, [wide, high]), OPERATIONS[name], makeWindow);
      }
    }
    for (const side of DISCS) {
      const makeWindow = () => cv.getStructuringElement(cv.MORPH_ELLIPSE, new cv.Size(side, side));
      compare(`closed by ${side}`, field, closedByDisc(field, side), cv.MORPH_CLOSE, makeWindow);
    }
  }
}
console.log(JSON.stringify({ compared, different }));
