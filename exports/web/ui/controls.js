/** The buttons below the pad, and the same actions by keyboard. */

const element = (id) => document.getElementById(id);

/** @param {{undo: () => void, redo: () => void, clear: () => void}} actions */
export function wireControls(actions) {
  for (const [id, act] of Object.entries(actions)) element(id).addEventListener('click', act);
  document.addEventListener('keydown', (event) => {
    const name = actionOf(event);
    if (!name) return;
    event.preventDefault();
    actions[name]();
  });
}

function actionOf({ key, ctrlKey, metaKey, shiftKey }) {
  if (key === 'Escape' || key === 'Delete') return 'clear';
  if (!ctrlKey && !metaKey) return null;
  if (key.toLowerCase() === 'z') return shiftKey ? 'redo' : 'undo';
  return key.toLowerCase() === 'y' ? 'redo' : null;
}

/**
 * Enables the buttons that would do something, and disables the others. If the keyboard's focus is on one of those, it
 * moves to a neighbour rather than being lost.
 * @param {{undo: boolean, redo: boolean, clear: boolean}} useful
 */
export function enable(useful) {
  const focused = document.activeElement;
  for (const [id, is] of Object.entries(useful)) element(id).disabled = !is;
  if (!(focused.id in useful) || !focused.disabled) return;
  Object.keys(useful).map(element).find((button) => !button.disabled)?.focus();
}
