/** The text of a page: for browsers and Node, without the code that reads it. */

/**
 * Returns the numbers of a page, one line per line, separated by spaces; empty if there are none.
 * @param {import('./pages.js').Reading[]} readings
 */
export function textOf(readings) {
  const lines = new Map();
  for (const { line, number, digit, refused } of readings) {
    if (refused) continue;
    const numbers = lines.get(line) ?? new Map();
    lines.set(line, numbers.set(number, `${numbers.get(number) ?? ''}${digit}`));
  }
  return [...lines.values()].map((numbers) => [...numbers.values()].join(' ')).join('\n');
}
