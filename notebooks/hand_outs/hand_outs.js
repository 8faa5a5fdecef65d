// Draws each chart in place of its picture, once it can be seen; the picture stays where that fails.
const options = {mode: 'vega', actions: false, renderer: 'svg', ast: true};
async function draw(source) {
  const place = document.getElementById(source.dataset.chart);
  if (place.dataset.drawn || !place.clientWidth) return;
  place.dataset.drawn = 'yes';
  const picture = place.innerHTML, room = place.clientWidth, spec = JSON.parse(source.textContent);
  const width = () => Number(place.querySelector('svg')?.getAttribute('width'));
  try {
    await vegaEmbed(place, spec, options);
    for (let turn = 0, over = 0; turn < 3 && width() > room; turn += 1) {
      over += width() - room;
      await vegaEmbed(place, narrow(spec, over, room), options);
    }
  } catch (error) {
    place.innerHTML = picture;
    console.error(error);
  }
}
const drawAll = () => document.querySelectorAll('script[data-chart]').forEach(draw);

// Returns a chart, compiled for a desk, for less room: narrower marks under words of the same size.
function narrow(spec, over, room) {
  const made = structuredClone(spec), small = room < 560;
  const widths = (made.signals ?? []).filter((one) => /width$/.test(one.name) && typeof one.value === 'number');
  const beside = made.layout?.columns ?? 1;
  const stacked = small && beside > 1;
  if (stacked) stack(made);
  const before = made.width ?? widths[0]?.value ?? room;
  const after = Math.max(stacked ? room - 130 : Math.round(before - over / beside), 80);
  const ratio = Math.min(after / before, 1);
  if (typeof made.width === 'number') made.width = Math.round(made.width * ratio);
  for (const one of widths) one.value = Math.round(one.value * ratio);
  for (const group of [made, ...groups(made)]) shrink(group, ratio, small);
  if (made.title) {
    for (const [name, size] of [['text', 8.6], ['subtitle', 6.4]]) {
      if (made.title[name]) made.title[name] = folded([made.title[name]].flat().join(' '), (room - 24) / size);
    }
  }
  if (small && made.config?.style?.['group-title']) Object.assign(made.config.style['group-title'], {fontSize: 15, lineHeight: 18});
  if (small && made.config?.title) made.config.title.subtitleFontSize = 11;
  return made;
}
const groups = (spec) => (spec.marks ?? []).filter((mark) => mark.type === 'group').flatMap((mark) => [mark, ...groups(mark)]);

// Puts small charts below each other: the axes that they shared in rows and columns become each one's own.
function stack(made) {
  made.layout.columns = 1;
  const cell = made.marks.find((mark) => mark.from?.facet);
  const shared = made.marks.filter((mark) => ['row-header', 'column-footer'].includes(mark.role));
  if (!cell) return;
  cell.axes = [...(cell.axes ?? []), ...shared.flatMap((mark) => mark.axes ?? [])];
  made.marks = made.marks.filter((mark) => !shared.includes(mark));
}

function shrink(group, ratio, small) {
  for (const mark of group.marks ?? []) {
    const drawn = mark.encode?.update ?? {};
    for (const [name, least] of [['width', 24], ['dx', 16], ['x', 0]]) {
      if (Math.abs(drawn[name]?.value) > least) drawn[name].value = Math.round(drawn[name].value * ratio);
    }
  }
  if (!small) return;
  for (const legend of group.legends ?? []) Object.assign(legend, {direction: 'vertical', columns: 1});
  for (const axis of group.axes ?? []) {
    if (axis.orient === 'bottom' && axis.labelAngle === 0) Object.assign(axis, {labelAngle: -45, labelAlign: 'right', labelBaseline: 'middle'});
  }
}

// Columns of words stand on the left, heads included; figures on the right.
for (const table of document.querySelectorAll('.output table')) {
  const rows = [...table.tBodies[0].rows], heads = [...(table.tHead?.rows ?? [])];
  for (let column = 0; column < (rows[0]?.cells.length ?? 0); column += 1) {
    const cells = rows.map((row) => row.cells[column]?.textContent.trim() ?? '');
    if (cells.every((text) => !text || /^(nan|none|nat|[-+\u2212]?\d[\d,.]*\s?%?(e[-+]\d+)?)$/i.test(text))) continue;
    for (const row of [...heads, ...rows]) row.cells[column]?.classList.add('w');
  }
}

// On a phone a row becomes a card, whose lines say to which column they belong.
for (const table of document.querySelectorAll('.prose table')) {
  const heads = [...(table.tHead?.rows[0]?.cells ?? [])].map((head) => head.textContent);
  for (const row of table.tBodies[0]?.rows ?? []) [...row.cells].forEach((cell, column) => { if (heads[column]) cell.dataset.l = heads[column]; });
}

// The lesson as slides: a slide is a piece of prose and the cells after it; outputs wait for the next press, and so
// does what to look at in them, which stays on their slide.
const body = document.body, article = document.querySelector('article'), bar = document.querySelector('.bar');
const slides = [];
let heading = '';
for (const part of article.querySelectorAll(':scope > section')) {
  const reading = part.classList.contains('reading');
  if ((part.classList.contains('prose') && !reading) || !slides.length) slides.push({parts: [], outputs: []});
  heading = part.querySelector('h1, h2')?.textContent ?? heading;
  const slide = slides.at(-1);
  slide.heading = heading;
  slide.parts.push(part);
  slide.outputs.push(...(reading ? [part] : part.querySelectorAll('.output')));
  const paragraphs = [...part.querySelectorAll(':scope > p')];
  paragraphs.forEach((one, number) => one.classList.toggle('keep', number === 0 || !!one.querySelector('strong')));
}
const steps = slides.flatMap((slide, number) => Array.from({length: slide.outputs.length + 1}, (_, seen) => ({number, seen})));
let now = -1;

function show(step) {
  now = Math.max(0, Math.min(step, steps.length - 1));
  const {number, seen} = steps[now], slide = slides[number];
  body.classList.add('show-slides');
  if (!body.dataset.shown) body.classList.add('short');
  body.dataset.shown = 'yes';
  for (const one of slides) for (const part of one.parts) part.classList.toggle('now', one === slide);
  slide.outputs.forEach((output, place) => output.classList.toggle('unseen', place >= seen));
  bar.hidden = false;
  bar.firstElementChild.textContent = `${slide.heading} · ${number + 1} / ${slides.length}`;
  history.replaceState(null, '', `#slide-${number + 1}`);
  drawAll();
  fit();
}

// As large as the wall allows, never so small that the last row cannot read it; what is longer scrolls.
function fit() {
  if (!body.classList.contains('show-slides')) return;
  article.style.zoom = 1;
  const tall = Math.max(...slides[steps[now].number].parts.map((part) => part.getBoundingClientRect().bottom)) + scrollY + 48;
  article.style.zoom = Math.max(0.8, Math.min(innerWidth / 900, innerHeight / tall, 2));
  scrollTo(0, 0);
}

function read() {
  body.classList.remove('show-slides', 'short');
  delete body.dataset.shown;
  article.style.zoom = '';
  bar.hidden = true;
  article.querySelectorAll('.unseen').forEach((output) => output.classList.remove('unseen'));
  history.replaceState(null, '', location.pathname);
  slides[steps[now].number].parts[0].scrollIntoView();
  drawAll();
}

const doings = {
  slides: () => show(Math.max(now, 0)),
  code: () => { body.classList.toggle('hush'); fit(); },
};
for (const button of document.querySelectorAll('button[data-do]')) button.addEventListener('click', doings[button.dataset.do]);
addEventListener('keydown', (event) => {
  if (!body.classList.contains('show-slides')) return;
  const keys = {
    ArrowRight: () => show(now + 1), ' ': () => show(now + 1), PageDown: () => show(now + 1),
    ArrowLeft: () => show(now - 1), PageUp: () => show(now - 1), Home: () => show(0), End: () => show(steps.length - 1),
    n: () => { body.classList.toggle('short'); fit(); }, c: doings.code, Escape: read,
  };
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});
article.addEventListener('click', (event) => {
  if (body.classList.contains('show-slides') && !event.target.closest('a, button, summary, .chart, iframe')) show(now + 1);
});
addEventListener('resize', fit);
for (const closed of document.querySelectorAll('details')) closed.addEventListener('toggle', drawAll);
drawAll();
const asked = /^#slide-(\d+)$/.exec(location.hash);
if (asked && slides.length) show(steps.findIndex((step) => step.number === Math.min(Number(asked[1]), slides.length) - 1));
