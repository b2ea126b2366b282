/** The footer of the page: which network is used, and its self-test. */

/** @typedef {{recognizer: import('./recognizer.js').Recognizer, runtime: string}} Network */

const element = (id) => document.getElementById(id);

/** @param {Promise<Network>} network */
export function wireAbout(network) {
  showModel(network).catch((error) => {
    element('model').textContent = `Could not be loaded: ${error.message}`;
  });
  element('selftest').addEventListener('click', () => test(network));
}

async function showModel(network) {
  const { recognizer: { sha256 }, runtime } = await network;
  element('model').textContent = ['digits.onnx', sha256 && `SHA-256 ${sha256.slice(0, 12)}…`, runtime].filter(Boolean)
    .join(' · ');
  element('model').title = sha256;
  element('selftest').disabled = false;
  performance.mark('ready'); // for benchmarks/web.py
}

async function test(network) {
  const [button, result] = [element('selftest'), element('selftest-result')];
  button.disabled = true;
  result.textContent = 'running …';
  const { lines, failed } = await run(network).catch((error) => ({ lines: [error.message], failed: true }));
  result.textContent = lines.join('\n');
  result.classList.toggle('failed', failed);
  button.disabled = false;
}

async function run(network) {
  const { selfTest } = await import('../selftest.js'); // only when it is requested
  return selfTest((await network).recognizer);
}
