/** Connects the pad and the picture files to the network, and its readings to the page. */

import { wireAbout } from './ui/about.js';
import { makeBars, showLoading, showReading, speak } from './ui/answer.js';
import { showBoxes } from './ui/boxes.js';
import { enable, wireControls } from './ui/controls.js';
import { makeCorrections, offerCorrections } from './ui/corrections.js';
import { Pen } from './ui/drawing.js';
import { wireFiles } from './ui/files.js';
import { History } from './ui/history.js';
import { EMPTY, look } from './ui/look.js';
import { paintPad } from './ui/pad.js';

const element = (id) => document.getElementById(id);
const pad = element('pad');
const history = new History(EMPTY);
const pen = new Pen(pad, begin, (stroke) => change(() => history.add(withStroke(stroke))));
// Loaded in the background, so that one can draw before it is ready.
/** @type {Promise<import('./ui/about.js').Network>} */
const network = import('./recognizer.js').then(async ({ Recognizer, RUNTIME }) => (
  { recognizer: await Recognizer.load('digits.onnx'), runtime: RUNTIME }
));

const pictures = () => import('./ui/picture.js'); // a drawing needs neither this nor the code that reads pages

let loading = true;
let complaint = ''; // about a file that could not be opened, until the next action
let actions = 0; // so far; a picture is dropped if another action came before it was decoded
let painting = false;
let reading = false;
let stale = false; // whether what is shown has changed since it was last read

/** A drawing begun over a picture takes its place. */
function withStroke(stroke) {
  return { strokes: [...history.state.strokes, stroke] };
}

/** @returns {import('./ui/look.js').Content} */
function shown() {
  return pen.stroke ? withStroke(pen.stroke) : history.state;
}

/** Begins every user action. */
function begin() {
  actions++;
  complaint = '';
  update();
}

/** Ends whatever is in progress, and takes one step in the history. */
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
  const opened = await pictures().then(({ openFile }) => openFile(file)).catch((error) => error);
  if (actions !== mine) return;
  if (opened instanceof Error) {
    complaint = opened.message;
    return update();
  }
  change(() => history.add({ strokes: [], picture: opened.picture }));
  return readFile(opened);
}

/** Reads a picture that is already shown. */
async function readFile({ picture, grey }) {
  try {
    const { fillIn } = await pictures();
    await fillIn(picture, grey, (await network).recognizer);
  } catch (error) {
    picture.message = `${picture.name}: ${error.message}`;
  }
  update();
}

/** Shows another digit of a page in full. */
function select(picture, place) {
  picture.selected = place;
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
  enable({ undo: history.canUndo || pen.stroke, redo: history.canRedo, clear: !empty });
}

/** Reads what is shown, one reading at a time, until the last reading is up to date. */
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
  const { strokes, picture = null } = shown();
  const { pixels = null, message = '' } = picture ?? look(strokes);
  const found = picture?.readings[picture.selected] ?? (pixels && !loading ? await readPixels(pixels) : null);
  if (pixels && loading) showLoading(pixels);
  else showReading(found);
  showBoxes(picture, select);
  offerCorrections(found);
  say(complaint || (finished ? message : '')); // a stroke that has just begun is small
  if (finished) speak();
}

/** @returns {Promise<import('./ui/answer.js').Reading>} */
async function readPixels(pixels) {
  const { recognizer } = await network;
  const { digits, probabilities, digitness } = await recognizer.read(pixels);
  return { digit: digits[0], probabilities, digitness: digitness[0], pixels };
}

function fail(error) {
  showReading(null);
  showBoxes(null, select);
  offerCorrections(null);
  say(error.message);
}

function say(message) {
  if (element('message').textContent !== message) element('message').textContent = message;
}

/** Reads what was drawn meanwhile; if the network could not be loaded, the reading says so. */
function settle() {
  loading = false;
  update();
}

makeBars();
makeCorrections(update);
wireControls({ undo, redo, clear });
wireFiles(take);
wireAbout(network);
for (const colours of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) {
  matchMedia(colours).addEventListener('change', update);
}
network.then(settle, settle);
update();
