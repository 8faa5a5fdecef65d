// Draws each chart in place of its picture; the picture stays where a chart cannot be drawn.
for (const source of document.querySelectorAll('script[data-chart]')) {
  const place = document.getElementById(source.dataset.chart);
  const picture = place.innerHTML;
  vegaEmbed(place, JSON.parse(source.textContent), {actions: false, renderer: 'svg', ast: true}).catch((error) => {
    place.innerHTML = picture;
    console.error(error);
  });
}

// Sorts a table by the column whose heading is pressed; numbers by their value, not by their text.
const key = (row, column) => {
  const cell = row.cells[column];
  return 'v' in cell.dataset ? Number(cell.dataset.v) : cell.textContent.toLowerCase();
};
const order = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === 'number' ? -1 : 1);
for (const button of document.querySelectorAll('th button')) {
  button.addEventListener('click', () => {
    const head = button.closest('th');
    const body = head.closest('table').tBodies[0];
    const first = head.classList.contains('n') ? 'descending' : 'ascending';
    const other = first === 'ascending' ? 'descending' : 'ascending';
    const way = head.getAttribute('aria-sort') === first ? other : first;
    for (const sibling of head.parentNode.cells) sibling.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', way);
    const turn = way === 'ascending' ? 1 : -1;
    const rows = [...body.rows].sort((a, b) => turn * order(key(a, head.cellIndex), key(b, head.cellIndex)));
    body.append(...rows);
  });
}

// Shows only the rows that hold what is typed.
for (const search of document.querySelectorAll('input.search')) {
  search.addEventListener('input', () => {
    const wanted = search.value.toLowerCase();
    for (const row of document.getElementById(search.dataset.table).tBodies[0].rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  });
}
