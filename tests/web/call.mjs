// Calls functions of the modules in exports/web, for test_twins.py: node call.mjs < CALLS
// CALLS is a JSON list of [module, function, arguments]. Prints a JSON list of what they return.
import { readFileSync } from 'node:fs';

const found = [];
for (const [module, name, given] of JSON.parse(readFileSync(0, 'utf8'))) {
  const functions = await import(`../../exports/web/${module}.js`);
  found.push(functions[name](...given));
}
console.log(JSON.stringify(found));
