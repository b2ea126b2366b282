/** The text of a page: for browsers and Node, without what reads it. */

/**
 * Returns the numbers of a page, a line for each of its lines, with a space between numbers; empty without any.
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
