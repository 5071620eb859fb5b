/**
 * The only script of a page: a button copies its table with tabs between the cells, and with plain numbers, so that a
 * spreadsheet takes it. Without the script the table is there all the same.
 */
export const COPY_SCRIPT = `
for (const button of document.querySelectorAll('button.copy')) {
  button.hidden = false;
  button.addEventListener('click', async () => {
    const table = button.closest('.table').querySelector('table');
    const text = [...table.rows]
      .map((row) => [...row.cells].map((cell) => cell.dataset.value ?? cell.textContent.trim().replace(/\\s+/g, ' ')).join('\\t'))
      .join('\\n');
    let copied = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement('textarea');
      area.value = text;
      document.body.append(area);
      area.select();
      copied = document.execCommand('copy');
      area.remove();
    }
    button.textContent = copied ? 'copied' : 'select it by hand';
    setTimeout(() => { button.textContent = 'copy'; }, 2000);
  });
}
`;
