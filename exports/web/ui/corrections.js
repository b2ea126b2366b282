/** The row below the answer that keeps a digit with its true label, and the collection's own line. */

import { CLASSES } from '../contract.js';
import { MyDigits } from './my-digits.js';

const FILE = 'my-digits.zip';

const element = (id) => document.getElementById(id);
const usual = element('kept').textContent; // the line's text when nothing is wrong
const mine = new MyDigits();

/** @type {import('./answer.js').Reading | null} the digit that the row refers to */
let current = null;
let onChange = () => {};

/** @returns {number | undefined} the label under which these pixels are kept */
export function labelOf(pixels) {
  return mine.labelOf(pixels);
}

/**
 * Creates the row, with nothing to keep.
 * @param {() => void} changed called when a digit was kept or dropped
 */
export function makeCorrections(changed) {
  onChange = changed;
  for (let label = 0; label < CLASSES; label++) {
    const button = element('labels').appendChild(document.createElement('button'));
    Object.assign(button, { type: 'button', textContent: label, ariaLabel: `It is a ${label}: keep it` });
    button.addEventListener('click', () => toggle(label));
  }
  element('right').addEventListener('click', () => toggle(current.digit));
  element('save').addEventListener('click', () => save().catch((error) => show(`Not saved: ${error.message}`)));
  element('empty').addEventListener('click', empty);
  offerCorrections(null);
}

/**
 * Offers to keep this digit, with the network's label or another.
 * @param {import('./answer.js').Reading | null} reading
 */
export function offerCorrections(reading) {
  current = reading;
  const kept = current ? mine.labelOf(current.pixels) : undefined;
  [...element('labels').children].forEach((button, label) => showButton(button, label === kept));
  showButton(element('right'), current !== null && kept === current.digit);
}

function showButton(button, pressed) {
  button.disabled = !current;
  button.ariaPressed = String(pressed);
}

/** Keeps the digit with this label; a second time, it is dropped again. */
function toggle(label) {
  if (mine.labelOf(current.pixels) === label) mine.drop(current.pixels);
  else mine.keep(current.pixels, label);
  show();
}

async function save() {
  const url = URL.createObjectURL(new Blob([await mine.zip()], { type: 'application/zip' }));
  Object.assign(document.createElement('a'), { href: url, download: FILE }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may still be asking where to save it
  show();
}

function empty() {
  if (mine.unsaved && !confirm(`Drop the kept digits (${mine.count})? They are not saved.`)) return;
  mine.empty();
  show();
}

function show(line = usual) {
  offerCorrections(current);
  onChange();
  element('save').textContent = `Save my digits (${mine.count})`;
  element('save').disabled = element('empty').disabled = !mine.count;
  element('kept').textContent = line;
  // Only while it is needed: a page with such a listener is slower to return to.
  if (mine.unsaved) window.addEventListener('beforeunload', ask);
  else window.removeEventListener('beforeunload', ask);
}

/** Makes the browser ask before it leaves the page. */
function ask(event) {
  event.preventDefault();
  event.returnValue = true; // for browsers from before 2024
}
