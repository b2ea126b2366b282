/** Connects the pad and picture files to the network, and its predictions to the page. */

import { makeBars, showAnswer, showInput, speak } from './answer.js';
import { paint, Strokes } from './drawing.js';
import { NoDigit, toMnist } from './pictures/normalization.js';
import { openPicture, readPicture, toGrey } from './pictures/reading.js';
import { Recognizer, RUNTIME } from './recognizer.js';
import { selfTest } from './selftest.js';

const DRAWING_SIDE = 280; // pixels of the drawing that is read: enough to be scaled down to 20

const element = (id) => document.getElementById(id);
const pad = element('pad');
const drawing = new OffscreenCanvas(DRAWING_SIDE, DRAWING_SIDE).getContext('2d', { willReadFrequently: true });
const strokes = new Strokes(pad, dropPicture, update);
const recognizer = Recognizer.load('digits.onnx');

/**
 * The current picture, or null. Files that are not pictures have no bitmap, pictures without a digit no pixels.
 * @type {{message: string, bitmap?: ImageBitmap, pixels?: Uint8Array} | null}
 */
let picture = null;
let asked = 0; // the number of the last request; a picture that was decoded after a later request is dropped
let changed = false;
let working = false;

function dropPicture() {
  asked++;
  picture?.bitmap?.close();
  picture = null;
}

/** @returns {{pixels?: Uint8Array, message?: string}} the network's input, 28x28, and a message for the user */
function look() {
  if (picture) return picture;
  if (!strokes.list.length) return {};
  drawing.clearRect(0, 0, DRAWING_SIDE, DRAWING_SIDE);
  paint(drawing, strokes.list, 'black');
  // One empty pixel on each side, so that strokes across the pad's edge are not mistaken for paper.
  const image = drawing.getImageData(-1, -1, DRAWING_SIDE + 2, DRAWING_SIDE + 2);
  try {
    return { pixels: toMnist(toGrey(image), 'drawing') };
  } catch (error) {
    if (error instanceof NoDigit) return { message: error.message };
    throw error;
  }
}

function paintPad() {
  const context = pad.getContext('2d');
  context.clearRect(0, 0, pad.width, pad.height);
  if (picture?.bitmap) {
    const { width, height } = picture.bitmap;
    const scale = Math.min(pad.width / width, pad.height / height);
    const [wide, high] = [width * scale, height * scale];
    context.drawImage(picture.bitmap, (pad.width - wide) / 2, (pad.height - high) / 2, wide, high);
  }
  paint(context, strokes.list, getComputedStyle(pad).color);
  element('hint').hidden = Boolean(picture || strokes.list.length);
}

/** Predicts at most once per frame, one prediction at a time. */
function update() {
  changed = true;
  if (working) return;
  working = true;
  requestAnimationFrame(async () => {
    changed = false;
    paintPad();
    await answer().catch((error) => say(error.message));
    working = false;
    if (changed) update();
  });
}

async function answer() {
  const { pixels = null, message = '' } = look();
  const read = pixels && await (await recognizer).read(pixels);
  showInput(pixels);
  showAnswer(read && { digit: read.digits[0], probabilities: read.probabilities, digitness: read.digitness[0] });
  say(message);
  if (!strokes.drawing) speak();
}

function say(message) {
  if (element('message').textContent !== message) element('message').textContent = message;
}

async function takePicture(file) {
  if (!file) return;
  const mine = ++asked;
  const given = { message: file.name };
  try {
    given.bitmap = await openPicture(file, file.name);
    given.pixels = readPicture(given.bitmap, file.name);
  } catch (error) {
    given.message = error.message;
  }
  if (asked !== mine) {
    given.bitmap?.close();
    return;
  }
  clear();
  picture = given;
}

function clear() {
  dropPicture();
  strokes.clear();
}

function undo() {
  dropPicture();
  strokes.undo();
}

function wireControls() {
  element('undo').addEventListener('click', undo);
  element('clear').addEventListener('click', clear);
  element('file').addEventListener('change', async ({ target }) => {
    await takePicture(target.files[0]);
    target.value = ''; // so that the same file can be chosen again
  });
  document.addEventListener('keydown', (event) => {
    const control = event.ctrlKey || event.metaKey;
    if (event.key === 'Escape' || event.key === 'Delete') clear();
    else if (control && !event.shiftKey && event.key.toLowerCase() === 'z') undo();
    else return;
    event.preventDefault();
  });
  document.addEventListener('paste', ({ clipboardData }) => takePicture(clipboardData.files[0]));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paintPad);
}

function wireDrop() {
  const over = (is) => element('drop').classList.toggle('over', is);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener('dragleave', (event) => over(Boolean(event.relatedTarget)));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    over(false);
    takePicture(event.dataTransfer.files[0]);
  });
}

async function showModel() {
  const { sha256 } = await recognizer;
  element('model').textContent = ['digits.onnx', sha256 && `SHA-256 ${sha256.slice(0, 12)}…`, RUNTIME].filter(Boolean)
    .join(' · ');
  element('model').title = sha256;
  element('selftest').disabled = false;
  performance.mark('ready'); // for benchmarks/web.py
}

element('selftest').addEventListener('click', async ({ target }) => {
  const result = element('selftest-result');
  target.disabled = true;
  result.textContent = 'running …';
  const { lines, failed } = await selfTest(await recognizer)
    .catch((error) => ({ lines: [error.message], failed: true }));
  result.textContent = lines.join('\n');
  result.classList.toggle('failed', failed);
  target.disabled = false;
});

makeBars();
wireControls();
wireDrop();
showModel().catch((error) => {
  element('model').textContent = `Could not be loaded: ${error.message}`;
});
