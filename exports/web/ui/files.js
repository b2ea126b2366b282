/** Picture files: chosen, photographed, pasted or dropped. */

const element = (id) => document.getElementById(id);

/** @param {(file: File) => Promise<void>} take called with every file that the user gives */
export function wireFiles(take) {
  for (const input of [element('file'), element('camera')]) wireInput(input, take);
  document.addEventListener('paste', ({ clipboardData }) => give(clipboardData, take));
  wireDrop(take);
}

function wireInput(input, take) {
  input.addEventListener('change', () => {
    const [file] = input.files;
    input.value = ''; // so that the same file can be chosen again
    if (file) take(file);
  });
}

function wireDrop(take) {
  const over = (is) => element('drop').classList.toggle('over', is);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener('dragleave', (event) => over(Boolean(event.relatedTarget)));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    over(false);
    give(event.dataTransfer, take);
  });
}

function give({ files }, take) {
  if (files.length) take(files[0]);
}
