/** The pad: strokes of mouse, pen or finger, stored as points and painted at any size. */

// Stroke width as a share of the pad's side. A digit that fills two thirds of the pad then has strokes of 2.7 of
// 20 pixels, and as much ink as MNIST's digits.
const PEN = 0.09;

/**
 * Paints strokes on a square canvas, over its content.
 * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context
 * @param {number[][][]} strokes lists of points [x, y], in 0..1 of the side
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

/** Collects the strokes that are drawn on an element, one pointer at a time. */
export class Strokes {
  /** @type {number[][][]} lists of points [x, y], in 0..1 of the element's sides */
  list = [];
  #element;
  #pointer = null; // the id of the drawing pointer
  #changed;

  /**
   * @param {HTMLElement} element
   * @param {() => void} began called before a stroke begins
   * @param {() => void} changed called after every change
   */
  constructor(element, began, changed) {
    this.#element = element;
    this.#changed = changed;
    element.addEventListener('pointerdown', (event) => {
      if (this.#pointer !== null || event.button !== 0) return;
      event.preventDefault(); // no text is selected and nothing is dragged
      this.#pointer = event.pointerId;
      element.setPointerCapture(event.pointerId);
      began();
      this.list.push([]);
      this.#extend(event);
    });
    element.addEventListener('pointermove', (event) => this.#extend(event));
    for (const end of ['pointerup', 'pointercancel']) {
      element.addEventListener(end, (event) => this.#end(event));
    }
  }

  /** Whether a stroke is being drawn. */
  get drawing() {
    return this.#pointer !== null;
  }

  undo() {
    this.#pointer = null;
    this.list.pop();
    this.#changed();
  }

  clear() {
    this.#pointer = null;
    this.list = [];
    this.#changed();
  }

  #extend(event) {
    if (event.pointerId !== this.#pointer) return;
    const { left, top, width, height } = this.#element.getBoundingClientRect();
    const coalesced = event.getCoalescedEvents?.() ?? [];
    for (const { clientX, clientY } of coalesced.length ? coalesced : [event]) {
      this.list.at(-1).push([(clientX - left) / width, (clientY - top) / height]);
    }
    this.#changed();
  }

  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#changed();
  }
}
