// The drawings of the page: the fan of revenue, and twenty futures as dots. A view holds {page, words, say,
// unit, top (of the axis, in money), state, paper (whether it is printed), fan, dots: where they go, wide: how
// wide these are}.
const Charts = (() => {
  "use strict";

  const P2_5 = 1;
  const P10 = 3;
  const P25 = 5;
  const P75 = 11;
  const P90 = 13;
  const P97_5 = 15; // of the seventeen quantiles
  const NARROW = 560; // pixels below which a chart is a phone's
  const WIDEST = 76; // of a past period's column
  const BESIDE = 38; // pixels that a label beside a column needs; with less only the chosen period has them
  const PAPER = 688; // A4 without its margins
  const COMING = 2; // a coming period takes the room of two past ones

  function svg(tag, given = {}, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(given)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  const said = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  /** Draw the past as bars and the coming periods as columns of bands. */
  function fan(view, changed) {
    const {
      page,
      words,
      say,
      state: { at, plan, now },
    } = view;
    const wide = view.paper ? PAPER : Math.max(view.wide.fan, 280);
    const phone = wide < NARROW;
    const high = phone ? 250 : view.paper ? 215 : 330;
    const left = phone ? 44 : 58;
    const right = 34;
    const foot = 40;
    const size = phone ? 11 : 12;
    const target = at.target || 0;
    const many = now.length * COMING;
    const room = Math.max(Math.floor((wide - left - right) / (phone ? 34 : 46) - many), 0);
    const past = room ? page.past.slice(-room) : [];
    const labels = [...past.map(one => one[0]), ...page.periods];
    const gap = Math.min((wide - left - right) / (past.length + many), WIDEST);
    const middle = i => (i < past.length ? i + 0.5 : past.length + COMING * (i - past.length + 0.5));
    const y = value => 12 + (high - foot - 12) * (1 - Math.min(value / view.top, 1));
    const x = i => left + gap * middle(i);
    const unit = view.unit;
    const drawing = svg("svg", {
      width: wide,
      height: high,
      viewBox: `0 0 ${wide} ${high}`,
      role: "img",
      "aria-label": spoken(view),
      "font-size": size,
    });
    const text = (given, words_) => drawing.append(svg("text", given, words_));
    for (const tick of ticks(view.top)) {
      drawing.append(
        svg("line", { x1: left, x2: wide - right, y1: y(tick), y2: y(tick), class: tick ? "hair" : "axis" }),
      );
      if (!target || Math.abs(y(tick) - y(target)) > size + 2)
        text(
          { x: left - 8, y: y(tick) + 4, "text-anchor": "end", class: "quiet" },
          tick ? say.round(tick, unit) : "0",
        );
    }
    past.forEach(([, value], i) => {
      const own = Math.min(gap * 0.68, 54);
      drawing.append(
        svg("rect", { x: x(i) - own / 2, width: own, y: y(value), height: y(0) - y(value), class: "past" }),
      );
      text(
        {
          x: x(i),
          y: Math.min(y(0) - 5, y(value) + (y(0) - y(value) < 18 ? -4 : 1e9)),
          "text-anchor": "middle",
          class: "ink",
        },
        say.inUnit(value, unit, true),
      );
    });
    const own = Math.min(gap * 0.8, 54);
    const roomy = COMING * gap - own > BESIDE;
    const chosen = at.period ?? 0;
    const order = [...now.keys()].sort((a, b) => (a === chosen) - (b === chosen)); // its labels lie above all
    for (const k of order) {
      const place = { x: x(past.length + k), wide: own, y, unit, labelled: roomy || k === chosen };
      column(view, drawing, now[k], changed ? plan[k] : null, place);
    }
    if (target) {
      drawing.append(
        svg("line", { x1: left, x2: wide - right, y1: y(target), y2: y(target), class: "target" }),
      );
      text({ x: left - 8, y: y(target) - 2, "text-anchor": "end", class: "goal" }, words.target);
      text(
        { x: left - 8, y: y(target) + size - 1, "text-anchor": "end", class: "goal" },
        say.inUnit(target, unit, true),
      );
    }
    let year = "";
    labels.forEach((label, i) => {
      const [, before, own] = /^(.*)[ -]([^ -]+)$/.exec(label) ?? [null, "", label];
      text(
        {
          x: x(i),
          y: high - foot + 17,
          "text-anchor": "middle",
          class: i >= past.length ? "ink strong" : "quiet",
        },
        own,
      );
      if (before !== year)
        text({ x: x(i), y: high - foot + 32, "text-anchor": "middle", class: "quiet" }, before);
      year = before;
    });
    view.fan.replaceChildren(drawing);
  }

  /** Draw one coming period: bands, the mean, its 80 % ends, and today's plan as an outline. */
  function column({ say }, drawing, told, plan, { x, wide, y, unit, labelled }) {
    const band = (low, high, name) =>
      svg("rect", {
        x: x - wide / 2,
        width: wide,
        y: y(told.quantile[high]),
        height: Math.max(y(told.quantile[low]) - y(told.quantile[high]), 0.5),
        class: name,
      });
    drawing.append(band(P2_5, P97_5, "band95"), band(P10, P90, "band80"), band(P25, P75, "band50"));
    drawing.append(
      svg("line", { x1: x - wide / 2, x2: x + wide / 2, y1: y(told.mean), y2: y(told.mean), class: "mean" }),
    );
    if (plan) {
      const at = x - wide / 2 - 7;
      const ends = [y(plan.quantile[P10]), y(plan.quantile[P90])];
      drawing.append(
        svg("line", { x1: at, x2: at, y1: ends[0], y2: ends[1], class: "outline" }),
        ...ends.map(end => svg("line", { x1: at - 3, x2: at + 3, y1: end, y2: end, class: "outline" })),
      );
      drawing.append(svg("circle", { cx: at, cy: y(plan.mean), r: 3.5, class: "hollow" }));
    }
    const label = (value, name) =>
      drawing.append(
        svg(
          "text",
          { x: x + wide / 2 + 6, y: y(value) + 4, class: `beside ${name}` },
          say.inUnit(value, unit, true),
        ),
      );
    if (!labelled) return;
    label(told.quantile[P90], "ink");
    label(told.quantile[P10], "ink");
    label(told.mean, "ink strong");
  }

  function spoken({ page, words, say, state: { now } }) {
    const one = (told, k) => {
      const [low, high] = say.pair(told.quantile[P10], told.quantile[P90]);
      return `${page.periods[k]}: ${said(words.second, { mean: say.full(told.mean), low, high })}`;
    };
    return [words.fanTitle[page.kind], ...now.map(one)].join(words.list);
  }

  function ticks(top) {
    const rough = top / 4;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find(times => times * power >= rough) * power;
    return Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step);
  }

  /** Draw twenty equally likely futures of the period as dots; filled ones reach the target. */
  function futures(view) {
    const {
      page,
      words,
      say,
      state: { at, now },
    } = view;
    const k = at.period ?? 0;
    const target = at.target || 0;
    const told = now[k];
    const wide = view.paper ? 0.47 * PAPER : Math.min(Math.max(view.wide.dots, 240), 460);
    const size = wide < 400 ? 11 : 12;
    const high = view.paper ? 116 : 148;
    const foot = 24;
    const left = 10;
    const right = 16;
    const radius = wide / 54;
    const x = value => left + (wide - left - right) * Math.min(value / view.top, 1);
    const rows = new Map();
    const reaching = told.futures.filter(value => value >= target).length;
    const drawing = svg("svg", {
      width: wide,
      height: high,
      viewBox: `0 0 ${wide} ${high}`,
      role: "img",
      "font-size": size,
      "aria-label": target
        ? said(words.reaching, { count: reaching, target: say.full(target, true) })
        : words.futures,
    });
    drawing.append(
      svg("line", { x1: left, x2: wide - right, y1: high - foot, y2: high - foot, class: "axis" }),
    );
    for (const tick of ticks(view.top))
      drawing.append(
        svg(
          "text",
          { x: x(tick), y: high - foot + 16, "text-anchor": tick ? "middle" : "start", class: "quiet" },
          tick ? say.round(tick, view.unit) : "0",
        ),
      );
    for (const value of told.futures) {
      const place = Math.floor(x(value) / (2 * radius + 1)) + 0.5;
      const row = rows.get(place) ?? 0;
      rows.set(place, row + 1);
      drawing.append(
        svg("circle", {
          cx: place * (2 * radius + 1),
          cy: high - foot - radius - 2 - row * (2 * radius + 1),
          r: radius - 0.5,
          class: value >= target ? "full" : "hollow",
        }),
      );
    }
    if (target) {
      const late = x(target) > wide * 0.6;
      drawing.append(svg("line", { x1: x(target), x2: x(target), y1: 4, y2: high - foot, class: "target" }));
      drawing.append(
        svg(
          "text",
          { x: x(target) + (late ? -6 : 6), y: 14, "text-anchor": late ? "end" : "start", class: "goal" },
          said(words.reaching, { count: reaching, target: say.money(target, true) }),
        ),
      );
    }
    view.dotsTitle.textContent = said(words.futures, { period: page.periods[k] });
    view.dots.replaceChildren(drawing);
  }

  return { fan, futures };
})();
