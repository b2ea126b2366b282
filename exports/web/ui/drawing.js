/** Mouse, pen and finger strokes: followed, stored as points, and painted at any size. */

// Stroke width as a share of the pad's side. A digit that fills two thirds of the pad then has strokes of 2.7 of
// 20 pixels, and as much ink as MNIST's digits.
const PEN = 0.09;

/** @typedef {number[][]} Stroke points [x, y], in 0..1 of the pad's sides */

/**
 * Paints strokes on a square canvas, on top of its content.
 * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context
 * @param {Stroke[]} strokes
 * @param {string} colour
 */
export function paint(context, strokes, colour) {
  const side = context.canvas.width;
  Object.assign(context, {
    strokeStyle: colour, fillStyle: colour, lineWidth: PEN * side, lineCap: 'round', lineJoin: 'round',
  });
  for (const stroke of strokes) {
    const points = stroke.map(([x, y]) => [x * side, y * side]);
    context.beginPath();
    context.arc(...points[0], (PEN * side) / 2, 0, 2 * Math.PI); // a tap is a dot
    context.fill();
    context.beginPath();
    points.forEach((point) => context.lineTo(...point));
    context.stroke();
  }
}

/**
 * Returns the longer side of the box around strokes, in 0..1 of the pad's side, from middle to middle of the lines.
 * @param {Stroke[]} strokes
 */
export function extent(strokes) {
  return Math.max(...[0, 1].map((axis) => {
    const places = strokes.flat().map((point) => point[axis]);
    return places.reduce((a, b) => Math.max(a, b)) - places.reduce((a, b) => Math.min(a, b));
  }));
}

/** Follows the strokes that are drawn on an element, one pointer at a time. */
export class Pen {
  /** @type {Stroke | null} the stroke that is being drawn */
  stroke = null;
  #element;
  #pointer = null; // the id of the drawing pointer
  #moved;

  /**
   * @param {HTMLElement} element
   * @param {() => void} moved called whenever the stroke that is being drawn has become longer
   * @param {(stroke: Stroke) => void} ended called with every finished stroke
   */
  constructor(element, moved, ended) {
    this.#element = element;
    this.#moved = moved;
    element.addEventListener('pointerdown', (event) => this.#begin(event));
    element.addEventListener('pointermove', (event) => this.#extend(event));
    for (const end of ['pointerup', 'pointercancel']) {
      element.addEventListener(end, ({ pointerId }) => pointerId === this.#pointer && ended(this.drop()));
    }
  }

  /** Ends the stroke that is being drawn, if there is one, and returns it. */
  drop() {
    const { stroke } = this;
    this.stroke = this.#pointer = null;
    return stroke;
  }

  #begin(event) {
    if (this.stroke || event.button !== 0) return;
    event.preventDefault(); // no text is selected and nothing is dragged
    this.#element.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.stroke = [];
    this.#extend(event);
  }

  #extend(event) {
    if (event.pointerId !== this.#pointer) return;
    const { left, top, width, height } = this.#element.getBoundingClientRect();
    const coalesced = event.getCoalescedEvents?.() ?? [];
    for (const { clientX, clientY } of coalesced.length ? coalesced : [event]) {
      this.stroke.push([(clientX - left) / width, (clientY - top) / height]);
    }
    this.#moved();
  }
}
