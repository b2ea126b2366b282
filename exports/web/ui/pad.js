/** The pad as it is displayed, and as a screen reader announces it. */

import { paint } from './drawing.js';

/**
 * Paints the content on the pad, replacing what was there.
 * @param {HTMLCanvasElement} pad
 * @param {import('./look.js').Content} content
 */
export function paintPad(pad, { strokes, picture }) {
  const context = pad.getContext('2d');
  context.clearRect(0, 0, pad.width, pad.height);
  if (picture) paintPicture(context, picture.view);
  paint(context, strokes, getComputedStyle(pad).color);
  const label = describe(strokes.length, picture);
  if (pad.ariaLabel !== label) pad.ariaLabel = label;
}

function paintPicture(context, view) {
  const side = context.canvas.width;
  const scale = side / Math.max(view.width, view.height);
  const [width, height] = [view.width * scale, view.height * scale];
  context.drawImage(view, (side - width) / 2, (side - height) / 2, width, height);
}

function describe(count, picture) {
  if (picture) return `Pad with the picture ${picture.name}`;
  if (!count) return 'Pad to draw a digit on, empty';
  return `Pad, ${count} ${count === 1 ? 'stroke' : 'strokes'}`;
}
