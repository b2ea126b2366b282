/** The states of a work, one after another, with undo and redo. */

const LONGEST = 100; // states; the oldest are forgotten

/** @template State */
export class History {
  #states;
  #place = 0;

  /** @param {State} first */
  constructor(first) {
    this.#states = [first];
  }

  /** The state of now. */
  get state() {
    return this.#states[this.#place];
  }

  get canUndo() {
    return this.#place > 0;
  }

  get canRedo() {
    return this.#place < this.#states.length - 1;
  }

  /**
   * Makes this the state of now; what was undone can't be redone any more.
   * @param {State} state
   */
  add(state) {
    this.#states = [...this.#states.slice(0, this.#place + 1), state].slice(-LONGEST);
    this.#place = this.#states.length - 1;
  }

  /** Goes one state back; does nothing at the first. */
  undo() {
    if (this.canUndo) this.#place--;
  }

  /** Goes one state forward again; does nothing at the last. */
  redo() {
    if (this.canRedo) this.#place++;
  }
}
