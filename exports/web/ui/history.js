/** The successive states of a piece of work, with undo and redo. */

const LONGEST = 100; // states; the oldest are dropped

/** @template State */
export class History {
  #states;
  #place = 0;

  /** @param {State} first */
  constructor(first) {
    this.#states = [first];
  }

  /** The current state. */
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
   * Makes this the current state; what was undone can no longer be redone.
   * @param {State} state
   */
  add(state) {
    this.#states = [...this.#states.slice(0, this.#place + 1), state].slice(-LONGEST);
    this.#place = this.#states.length - 1;
  }

  /** Goes back one state; does nothing at the first. */
  undo() {
    if (this.canUndo) this.#place--;
  }

  /** Goes forward one state; does nothing at the last. */
  redo() {
    if (this.canRedo) this.#place++;
  }
}
