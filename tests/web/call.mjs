// Calls functions of the modules in exports/web, for test_twins.py: node call.mjs < CALLS
// CALLS is a JSON list of [module, function, arguments], the data of a field being a list. Prints a JSON list of what
// they return, each typed array an object.
import { readFileSync } from 'node:fs';

const found = [];
const revive = (key, value) => (key === 'data' ? Float32Array.from(value) : value);
for (const [module, name, given] of JSON.parse(readFileSync(0, 'utf8'), revive)) {
  const functions = await import(`../../exports/web/${module}.js`);
  found.push(functions[name](...given));
}
console.log(JSON.stringify(found));
