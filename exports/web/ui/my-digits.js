/** Digits that the user has labelled, kept in memory until they are saved as a folder to train on. */

import { SIDE } from '../contract.js';

const ENLARGED = 4; // times, so that a person can see the digit in its file

/** A collection of digits and their labels. */
export class MyDigits {
  /** Whether there are digits, or changed labels, that are not in any zip yet. */
  unsaved = false;
  #digits = new Map(); // keyed by the pixels, as text: a digit has one label, the last it was given
  #number = 0; // of the digits so far, including dropped ones

  get count() {
    return this.#digits.size;
  }

  /**
   * @param {Uint8Array} pixels
   * @returns {number | undefined} the label that it has in the collection
   */
  labelOf(pixels) {
    return this.#digits.get(String(pixels))?.label;
  }

  /**
   * Keeps a digit, or gives it another label.
   * @param {Uint8Array} pixels 784, 0 = paper, 255 = ink
   * @param {number} label
   */
  keep(pixels, label) {
    const name = this.#digits.get(String(pixels))?.name ?? nameOf(new Date(), ++this.#number);
    this.#digits.set(String(pixels), { pixels, label, name });
    this.unsaved = true;
    packer().catch(() => {}); // now, since the server may be gone later; zip() reports it if it could not be loaded
  }

  /** @param {Uint8Array} pixels */
  drop(pixels) {
    this.#digits.delete(String(pixels));
    this.unsaved &&= this.count > 0;
  }

  empty() {
    this.#digits.clear();
    this.unsaved = false;
  }

  /** @returns {Promise<Uint8Array>} a zip of PNG files, my-digits/LABEL/NAME.png: dark on white, enlarged */
  async zip() {
    const [{ zipSync }, { encodeGrey }] = await packer();
    const files = Array.from(this.#digits.values(), ({ pixels, label, name }) => [
      `my-digits/${label}/${name}.png`, encodeGrey(toPaper(pixels), SIDE * ENLARGED),
    ]);
    const zip = zipSync(Object.fromEntries(files), { level: 0 }); // a PNG is already compressed
    this.unsaved = false;
    return zip;
  }
}

const packer = () => Promise.all([import('../fflate.js'), import('./png.js')]);

/** Dark on white and enlarged, each pixel a square. */
function toPaper(pixels) {
  const side = SIDE * ENLARGED;
  const at = (place) => Math.floor(place / ENLARGED);
  return Uint8Array.from({ length: side * side }, (_, i) => 255 - pixels[at(i / side) * SIDE + at(i % side)]);
}

function nameOf(time, number) {
  const two = (part) => String(part).padStart(2, '0');
  const day = `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}`;
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join('');
  return `page-${day}-${clock}-${String(number).padStart(3, '0')}`;
}
