/** Connects the pad and picture files to the network, and its readings to the page. */

import { makeBars, showLoading, showReading, speak } from './answer.js';
import { makeCorrections, offerCorrections } from './corrections.js';
import { Pen } from './drawing.js';
import { wireFiles } from './files.js';
import { History } from './history.js';
import { EMPTY, look, takePicture } from './look.js';
import { paintPad } from './pad.js';

const element = (id) => document.getElementById(id);
const pad = element('pad');
const history = new History(EMPTY);
const pen = new Pen(pad, begin, (stroke) => change(() => history.add(withStroke(stroke))));
// Loaded beside the page, so that one can draw before it is there.
const network = import('./recognizer.js').then(async ({ Recognizer, RUNTIME }) => (
  { recognizer: await Recognizer.load('digits.onnx'), runtime: RUNTIME }
));

let loading = true;
let complaint = ''; // of a file that could not be opened, until the next action
let actions = 0; // so far; a picture that was decoded after a later action is dropped
let painting = false;
let reading = false;
let stale = false; // whether what is shown has changed since it was last read

/** A drawing begun over a picture takes its place. */
function withStroke(stroke) {
  return { strokes: [...history.state.strokes, stroke] };
}

/** @returns {import('./look.js').Content} */
function shown() {
  return pen.stroke ? withStroke(pen.stroke) : history.state;
}

function begin() {
  actions++;
  complaint = '';
  update();
}

/** Ends whatever is going on, and takes one step in the history. */
function change(step) {
  pen.drop();
  step();
  begin();
}

function undo() {
  change(pen.stroke ? () => {} : () => history.undo()); // a stroke that is being drawn is not in the history yet
}

function redo() {
  change(() => history.redo());
}

function clear() {
  change(() => history.state !== EMPTY && history.add(EMPTY));
}

async function take(file) {
  const mine = ++actions;
  const picture = await takePicture(file).catch((error) => error);
  if (actions !== mine) return;
  if (!(picture instanceof Error)) return change(() => history.add({ strokes: [], picture }));
  complaint = picture.message;
  update();
}

/** Paints at most once per frame, and reads what is painted. */
function update() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    show();
    read();
  });
}

function show() {
  const content = shown();
  const empty = content === EMPTY;
  paintPad(pad, content);
  element('hint').hidden = !empty;
  enable('undo', history.canUndo || pen.stroke, 'redo');
  enable('redo', history.canRedo, 'undo');
  enable('clear', !empty, 'undo');
}

/** Enables a button or disables it; the keyboard's focus then moves to its neighbour rather than being lost. */
function enable(id, is, neighbour) {
  const button = element(id);
  const focused = document.activeElement === button;
  button.disabled = !is;
  if (!is && focused) {
    element(neighbour).disabled = false;
    element(neighbour).focus();
  }
}

/** Reads what is shown, one reading at a time, until the last is of what is shown now. */
async function read() {
  stale = true;
  if (reading) return;
  reading = true;
  while (stale) {
    stale = false;
    await answer().catch(fail);
  }
  reading = false;
}

async function answer() {
  const finished = !pen.stroke;
  const { pixels = null, message = '' } = look(shown());
  const found = pixels && !loading ? await readPixels(pixels) : null;
  if (pixels && loading) showLoading(pixels);
  else showReading(found);
  offerCorrections(found);
  say(complaint || (finished ? message : '')); // a stroke that has just begun is small
  if (finished) speak();
}

/** @returns {Promise<import('./answer.js').Reading>} */
async function readPixels(pixels) {
  const { recognizer } = await network;
  const { digits, probabilities, digitness } = await recognizer.read(pixels);
  return { digit: digits[0], probabilities, digitness: digitness[0], pixels };
}

function fail(error) {
  showReading(null);
  offerCorrections(null);
  say(error.message);
}

function say(message) {
  if (element('message').textContent !== message) element('message').textContent = message;
}

function wireControls() {
  for (const [id, act] of Object.entries({ undo, redo, clear })) element(id).addEventListener('click', act);
  document.addEventListener('keydown', (event) => {
    const act = actionOf(event);
    if (!act) return;
    event.preventDefault();
    act();
  });
  for (const colours of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) {
    matchMedia(colours).addEventListener('change', update);
  }
}

function actionOf({ key, ctrlKey, metaKey, shiftKey }) {
  if (key === 'Escape' || key === 'Delete') return clear;
  if (!ctrlKey && !metaKey) return null;
  if (key.toLowerCase() === 'z') return shiftKey ? redo : undo;
  return key.toLowerCase() === 'y' ? redo : null;
}

/** Reads what was drawn meanwhile; if the network could not be loaded, that says so. */
function settle() {
  loading = false;
  update();
}

async function showModel() {
  const { recognizer: { sha256 }, runtime } = await network;
  element('model').textContent = ['digits.onnx', sha256 && `SHA-256 ${sha256.slice(0, 12)}…`, runtime].filter(Boolean)
    .join(' · ');
  element('model').title = sha256;
  element('selftest').disabled = false;
  performance.mark('ready'); // for benchmarks/web.py
}

async function test() {
  const { selfTest } = await import('./selftest.js');
  return selfTest((await network).recognizer);
}

element('selftest').addEventListener('click', async ({ target }) => {
  const result = element('selftest-result');
  target.disabled = true;
  result.textContent = 'running …';
  const { lines, failed } = await test().catch((error) => ({ lines: [error.message], failed: true }));
  result.textContent = lines.join('\n');
  result.classList.toggle('failed', failed);
  target.disabled = false;
});

makeBars();
makeCorrections();
wireControls();
wireFiles(take);
network.then(settle, settle);
update();
showModel().catch((error) => {
  element('model').textContent = `Could not be loaded: ${error.message}`;
});
