// Draws each chart in place of its picture; the picture stays where a chart cannot be drawn.
const options = {actions: false, renderer: 'svg', ast: true};
for (const source of document.querySelectorAll('script[data-chart]')) {
  const place = document.getElementById(source.dataset.chart);
  const picture = place.innerHTML, room = place.clientWidth;
  const draw = (spec) => vegaEmbed(place, spec, options);
  const spec = JSON.parse(source.textContent);
  const width = () => Number(place.querySelector('svg')?.getAttribute('width'));
  const fit = (wide, turns) => draw(narrow(spec, wide, room)).then(() => {
    const over = width() - room;
    return over > 0 && turns > 0 ? fit(wide + over, turns - 1) : null;
  });
  draw(spec).then(() => (width() > room ? fit(width(), 2) : null)).catch((error) => {
    place.innerHTML = picture;
    console.error(error);
  });
}

// Returns a chart for less room: narrower marks under words that stay as large as they are.
function narrow(spec, wide, room) {
  const made = structuredClone(spec), inner = made.spec ?? made;
  if (made.spec && room < 560) made.columns = 1;
  const beside = made.spec ? made.columns || 1 : 1;
  const plot = typeof inner.width === 'number' ? inner.width : wide;
  const left = beside === 1 && made.spec ? room - 120 : plot - (wide - room) / beside;
  const ratio = Math.max(Math.min(left / plot, 1), 0.2);
  const wider = room < 560 ? thinned(made) : 1;
  const shrink = (part) => {
    if (part === null || typeof part !== 'object') return;
    if (typeof part.width === 'number') part.width = Math.round(part.width * ratio);
    const mark = part.mark;
    if (mark?.type === 'bar' && mark.size > 24) mark.size = Math.max(Math.round(mark.size * ratio * wider), 3);
    if (mark?.type === 'tick' && part.encoding?.y && mark.size > 24) mark.size = Math.round(mark.size * ratio * wider);
    if (mark?.type === 'text' && Math.abs(mark.dx) > 16) mark.dx = Math.round(mark.dx * ratio);
    if (typeof part.encoding?.x?.value === 'number') part.encoding.x.value = Math.round(part.encoding.x.value * ratio);
    if (part.encoding?.x?.axis?.labelAngle === 0 && room < 560) part.encoding.x.axis.labelAngle = -45;
    for (const child of [...(part.layer ?? []), part.spec, ...(part.vconcat ?? []), ...(part.hconcat ?? [])]) shrink(child);
  };
  shrink(made);
  for (const [name, size] of [['text', 8.6], ['subtitle', 6.4]]) {
    if (made.title?.[name]) made.title[name] = folded([made.title[name]].flat().join(' '), room / size);
  }
  if (room < 560) made.config = {...made.config, title: {...made.config?.title, fontSize: 15, lineHeight: 18, subtitleFontSize: 11}, legend: {...made.config?.legend, columns: 1, layout: {top: {direction: 'vertical', anchor: 'start', margin: 4}}}};
  return made;
}

// Leaves out the older past of a fan, and returns by how much wider what is left may be.
function thinned(spec) {
  let wider = 1;
  for (const [name, rows] of Object.entries(spec.datasets ?? {})) {
    const past = rows.filter((row) => row.part === 'happened').map((row) => row.period);
    if (past.length <= 4) continue;
    const old = new Set(past.slice(0, -4)), before = new Set(rows.map((row) => row.period)).size;
    spec.datasets[name] = rows.filter((row) => !old.has(row.period));
    wider = before / (before - old.size);
  }
  return wider;
}

function folded(text, columns) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    if (lines[last] && lines[last].length + word.length + 1 > columns) lines.push(word);
    else lines[last] += (lines[last] ? ' ' : '') + word;
  }
  return lines;
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
