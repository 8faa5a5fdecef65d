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
  draw(spec).then(() => (width() > room ? fit(width(), 2) : null)).then(() => onPaper(place, spec)).catch((error) => {
    place.innerHTML = picture;
    console.error(error);
  });
}

// Draws a chart once more as it is printed: as wide as its part of an A4 page, and lower.
function onPaper(place, spec) {
  const part = place.closest('section'), sheet = document.createElement('div');
  const room = part.classList.contains('both') ? 410 : part.classList.contains('wide') ? 760 : 360;
  sheet.className = 'sheet';
  place.after(sheet);
  place.classList.add('drawn');
  const fit = (wide, turns) => vegaEmbed(sheet, low(narrow(spec, wide, room, false)), options).then(() => {
    const over = Number(sheet.querySelector('svg')?.getAttribute('width')) - room;
    return over > 0 && turns > 0 ? fit(wide + over, turns - 1) : null;
  });
  return fit(Number(place.querySelector('svg').getAttribute('width')), 2);
}

// Returns a chart that takes half of its height, where it is higher than a few lines.
function low(spec) {
  const less = (part) => {
    if (part === null || typeof part !== 'object') return;
    if (typeof part.height === 'number' && part.height > 120) part.height = Math.max(Math.round(part.height * 0.55), 120);
    for (const child of [...(part.layer ?? []), part.spec, ...(part.vconcat ?? []), ...(part.hconcat ?? [])]) less(child);
  };
  less(spec);
  return spec;
}

// Returns a chart for less room: narrower marks under words that stay as large as they are.
function narrow(spec, wide, room, phone = room < 560) {
  const made = structuredClone(spec), inner = made.spec ?? made;
  if (made.spec && room < 560) made.columns = 1;
  if (made.spec && !phone && room > 560) made.columns = 3;
  const beside = made.spec ? made.columns || 1 : 1;
  const plot = typeof inner.width === 'number' ? inner.width : wide;
  const left = made.spec && (beside === 1 || !phone) ? (room - 40) / beside - 80 / Math.sqrt(beside) : plot - (wide - room) / beside;
  const ratio = Math.max(Math.min(left / plot, 1), 0.2);
  const wider = room < 560 ? thinned(made, phone ? 4 : 6) : 1;
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
  if (phone) made.config = {...made.config, title: {...made.config?.title, fontSize: 15, lineHeight: 18, subtitleFontSize: 11}, legend: {...made.config?.legend, columns: 1, layout: {top: {direction: 'vertical', anchor: 'start', margin: 4}}}};
  return made;
}

// Leaves out the older past of a fan, and returns by how much wider what is left may be.
function thinned(spec, kept) {
  let wider = 1;
  for (const [name, rows] of Object.entries(spec.datasets ?? {})) {
    const past = rows.filter((row) => row.part === 'happened').map((row) => row.period);
    if (past.length <= kept) continue;
    const old = new Set(past.slice(0, -kept)), before = new Set(rows.map((row) => row.period)).size;
    spec.datasets[name] = rows.filter((row) => !old.has(row.period));
    wider = before / (before - old.size);
  }
  return wider;
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
