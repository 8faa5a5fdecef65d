// What is seen of the page: headline, sliders, fan, futures, tables. It draws what it is given, and tells
// what is moved; it knows no formula. `page` and results are described in funnelsim/forecasting/live.py and
// main.js.
const View = (() => {
  "use strict";

  const MINUS = "\u2212";
  const DASH = "\u2013";
  const P10 = 3;
  const P90 = 13;
  const P97_5 = 15; // of the seventeen quantiles
  const MOVES = 1e-9; // of the plan: less is no change

  // How numbers are written, by decimals: to make one anew for each number takes a tenth of an update.
  const WRITERS = [0, 1, 2].map(
    decimals =>
      new Intl.NumberFormat("en-US", {
        minimumFractionDigits: decimals,
        maximumFractionDigits: decimals,
      }),
  );

  const html = (tag, given = {}, ...children) => filled(document.createElement(tag), given, children);

  function filled(node, given, children) {
    for (const [name, value] of Object.entries(given)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false)
        node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter(child => child !== null && child !== undefined));
    return node;
  }

  const sentence = (text, words) => `${text[0].toUpperCase()}${text.slice(1)}${words.stop}`;
  const whyOf = ({ page, words }) => (page.why ? said(words.why, { reason: words.reasons[page.why] }) : "");

  const said = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  // Numbers ---------------------------------------------------------------------------------------

  /** Return how this page writes numbers: money in a unit, changes with a sign, chances. */
  function numbers(words, currency) {
    const counted = currency !== currency.toUpperCase();
    const plain = value => grouped(value, value && Math.abs(value) < 100 ? 1 : 0);
    const grouped = (value, decimals) => {
      const text = WRITERS[decimals].format(Math.abs(value));
      return (value < 0 && /[1-9]/.test(text) ? MINUS : "") + text;
    };
    const unitOf = value =>
      (counted && Math.abs(value) < 1e5
        ? null
        : words.units.find(([size]) => Math.abs(value) >= size * 0.9995)) ?? null;
    const inUnit = (value, unit, short = false) =>
      unit ? grouped(value / unit[0], unit[short ? 3 : 2]) : plain(value);
    const money = (value, short = false) => {
      const unit = unitOf(value);
      return inUnit(value, unit, short) + (unit ? words.space + unit[1] : "");
    };
    const signed = (text, value) => (value > 0 && /[1-9]/.test(text) ? `+${text}` : text);
    return {
      money,
      unitOf,
      inUnit,
      signed,
      round: (value, unit) => (unit ? value / unit[0] : value).toLocaleString("en-US"),
      name: unit => [unit?.[1], currency].filter(Boolean).join(" "),
      full: (value, short) => `${money(value, short)}${currency ? " " + currency : ""}`,
      change: value => signed(money(value), value),
      pair: (low, high) => {
        const unit = unitOf(high);
        return [inUnit(low, unit, false), inUnit(high, unit, false) + (unit ? words.space + unit[1] : "")];
      },
      percent: share =>
        share > 0 && share < 0.01
          ? words.under
          : share > 0.99 && share < 1
            ? words.over
            : `${Math.round(100 * share)}${words.space}%`,
      step: whole =>
        whole === 0 ? words.asPlanned : `${whole > 0 ? "+" : MINUS}${Math.abs(whole)}${words.space}%`,
    };
  }

  const day = (text, lang) =>
    new Date(`${text}T00:00:00Z`).toLocaleDateString(lang === "zh" ? "zh-CN" : "en-GB", {
      day: "numeric",
      month: "long",
      year: "numeric",
      timeZone: "UTC",
    });

  // The page --------------------------------------------------------------------------------------

  /**
   * Build the page in `root`; returns {paint}, which shows a state: {at: positions by slider, plan, now:
   * results, gap: interval of the change by period or null, status: text, exact}.
   */
  function create(root, page, words, sliders, listen) {
    const say = numbers(words, page.currency);
    const view = { page, words, say, sliders, root, top: 0, state: null };
    // One unit for charts and tables.
    view.unit = say.unitOf(Math.max(...page.plan.map(plan => plan.quantile[P90])));
    const put = (name, ...children) => {
      view[name] = html("div", { class: name }, ...children);
      return view[name];
    };
    view.headline = html("h1");
    view.second = html("p", { class: "second" });
    view.lede = html("p", { class: "lede" });
    view.kicker = html("p", { class: "kicker" });
    view.live = html("p", { class: "unseen", role: "status", "aria-live": "polite" });
    view.status = html("p", { class: "status" });
    view.fan = html("div", { class: "chart" });
    view.dots = html("div", { class: "chart" });
    view.dotsTitle = html("h2", { class: "title" });
    view.against = html("section", { class: "against" });
    view.split = html("section", { class: "split" });
    const figures = put("figures");
    const bar = put("bar");
    bar.setAttribute("aria-hidden", "true");
    const controls = sliders.length ? panel(view, listen) : null;
    root.replaceChildren(
      identity(view),
      html("header", {}, view.kicker, view.headline, view.second, view.lede, view.live),
      figures,
      html(
        "div",
        { class: controls ? "body" : "body alone" },
        html(
          "section",
          { class: "fan" },
          html("h2", { class: "title" }, fanTitle(view)),
          view.fan,
          html("p", { class: "note" }, words.fanNote, (view.fanPlan = html("span"))),
        ),
        controls,
        html(
          "div",
          { class: "rest" },
          view.against,
          sliders.length ? html("section", { class: "futures" }, view.dotsTitle, view.dots) : null,
          view.split,
        ),
      ),
      html("footer", {}, view.status, ...notes(view)),
      bar,
    );
    watch(view);
    return { paint: state => paint(view, state) };
  }

  function identity({ page, words }) {
    const parts = [
      said(words.asOf, { day: day(page.asOf, words.lang) }),
      page.currency,
      words.booked,
      words.kinds[page.kind],
    ];
    return html(
      "p",
      { class: "identity" },
      html("b", {}, page.name),
      ...parts.filter(Boolean).map(part => html("span", {}, part)),
    );
  }

  const fanTitle = ({ page, words, say, unit }) =>
    `${words.fanTitle[page.kind]}${words.comma}${say.name(unit)}`;

  function notes({ page, words }) {
    const texts = [
      page.why ? "" : words.assumes,
      ...(page.why ? [] : spendNotes(page, words)),
      ...page.notes,
      page.why ? words.holdsStill : said(words.holds, { count: page.open.toLocaleString("en-US") }),
    ];
    return texts.filter(Boolean).map(text => html("p", {}, text));
  }

  /** Return what money does, and which channels' money cannot be moved here, and why. */
  function spendNotes({ spend, unmoved }, words) {
    const named = (text, names) => (names.length ? said(text, { channels: names.join(words.comma) }) : "");
    return [
      spend.length ? words.spendAssumes : "",
      named(words.spendCrowded, unmoved.crowded),
      named(words.spendUnknown, unmoved.unknown),
    ];
  }

  /** Draw again where a width changes, and on paper. */
  function watch(view) {
    const again = () => {
      measure(view);
      if (view.state) charts(view);
    };
    new ResizeObserver(() => {
      if (view.fan.clientWidth !== view.wide?.fan) again();
    }).observe(view.fan);
    addEventListener("beforeprint", () => {
      view.paper = true;
      again();
    });
    addEventListener("afterprint", () => {
      view.paper = false;
      again();
    });
  }

  // Sliders ---------------------------------------------------------------------------------------

  function panel(view, listen) {
    const { words, page, sliders } = view;
    const box = html("form", {
      class: "controls",
      "aria-label": words.whatIf,
      onsubmit: event => event.preventDefault(),
    });
    const own = name => sliders.filter(slider => slider.kind === name);
    view.inputs = new Map();
    const row = slider => (slider.choices ? chooser(view, slider, listen) : line(view, slider, listen));
    const group = (title, rows) =>
      rows.length ? html("fieldset", {}, html("legend", {}, title), ...rows.map(row)) : null;
    const odds = own("odds");
    const hidden = odds.filter(slider => !slider.main);
    box.append(
      html("h2", {}, words.whatIf),
      ...[...own("period"), ...own("from"), ...own("target")].map(row),
      ...[
        group(
          words.odds,
          odds.filter(slider => slider.main),
        ),
        hidden.length
          ? html(
              "details",
              {},
              html("summary", {}, said(words.moreOdds, { count: hidden.length })),
              html("fieldset", {}, html("legend", { class: "unseen" }, words.moreOdds), ...hidden.map(row)),
            )
          : null,
        group(words.days, own("days")),
        group(words.leads, own("leads")),
        group(words.spend, own("spend")),
        group(words.money, [...own("price"), ...own("loss"), ...own("size")]),
      ].filter(Boolean),
      html("button", { type: "button", onclick: listen.reset }, words.back),
    );
    return box;
  }

  function line(view, slider, listen) {
    const id = `s-${slider.id}`;
    const output = html("output", { for: id });
    const input = html("input", {
      id,
      type: "range",
      min: slider.min,
      max: slider.max,
      step: slider.step,
      value: slider.start,
      oninput: () => listen.move(slider.id, Number(input.value)),
      onchange: () => listen.rest(),
    });
    view.inputs.set(slider.id, { input, output });
    return html(
      "div",
      { class: slider.kind === "target" ? "line" : "line even" },
      html("label", { for: id }, nameOf(view, slider)),
      input,
      output,
    );
  }

  function chooser(view, slider, listen) {
    const id = `s-${slider.id}`;
    const options = slider.choices.map((choice, i) =>
      html("option", { value: i }, choiceOf(view, slider, choice)),
    );
    const input = html(
      "select",
      {
        id,
        onchange: () => {
          listen.move(slider.id, Number(input.value));
          listen.rest();
        },
      },
      ...options,
    );
    view.inputs.set(slider.id, { input, output: null });
    return html("div", { class: "choose" }, html("label", { for: id }, nameOf(view, slider)), input);
  }

  function choiceOf({ words }, slider, choice) {
    if (slider.kind === "from") return choice ? day(choice, words.lang) : words.now;
    if (slider.kind === "loss") return `${choice}${words.space}%`;
    return choice;
  }

  function nameOf({ words, page }, slider) {
    const place = number => page.places[number];
    const names = {
      odds: () => `${place(slider.stage)} → ${place(page.exits[slider.stage][slider.exit])}`,
      days: () => place(slider.stage),
      leads: () => channelName(page, words, slider.channel),
      spend: () => page.channels[slider.channel],
      period: () => words.answerFor,
      from: () => words.begin,
      target: () => words.targetEach,
      price: () => words.price,
      loss: () => words.loss,
      size: () => words.size,
    };
    return names[slider.kind]();
  }

  function channelName(page, words, channel) {
    const name = page.channels[channel];
    return name
      ? said(words.channel, { channel: name })
      : page.channels.length > 1
        ? words.others
        : words.all;
  }

  // Painting --------------------------------------------------------------------------------------

  /** Remember how wide the charts are: asked between changes, the browser would lay the page out each time. */
  function measure(view) {
    view.wide = { fan: view.fan.clientWidth, dots: view.dots.clientWidth };
  }

  function paint(view, state) {
    view.state = state;
    measure(view);
    controls(view, state);
    head(view, state);
    figuresOf(view, state);
    charts(view);
    againstOf(view, state);
    splitOf(view, state);
    view.status.textContent = state.status;
    view.root.classList.toggle("quick", !state.exact);
    if (state.exact)
      view.live.textContent = [view.kicker, view.headline, view.second, view.lede]
        .map(node => node.textContent)
        .join(view.words.list);
  }

  function controls({ words, say, inputs, sliders }, { at }) {
    for (const slider of sliders) {
      const { input, output } = inputs.get(slider.id);
      const value = at[slider.id];
      if (Number(input.value) !== value) input.value = value;
      if (!output) continue;
      const text = slider.kind === "target" ? (value ? say.money(value) : words.noTarget) : say.step(value);
      output.textContent = text === words.asPlanned ? "" : text;
      output.className = slider.kind !== "target" && value !== 0 ? "moved" : "";
      input.setAttribute("aria-valuetext", text);
    }
  }

  function changesOf({ page, words, say, sliders }, at) {
    const found = { dated: [], plain: [] };
    const start = sliders.find(slider => slider.kind === "from");
    for (const slider of sliders) {
      const value = at[slider.id];
      const place = number => page.places[number];
      if (slider.choices || slider.kind === "target" || value === 0) continue;
      const change = say.step(value);
      const loss = at.loss ? sliders.find(one => one.id === "loss").choices[at.loss] : 0;
      found[DATED.includes(slider.kind) ? "dated" : "plain"].push(
        {
          odds: () =>
            said(words.oddsChange, {
              from: place(slider.stage),
              to: place(page.exits[slider.stage][slider.exit]),
              change,
            }),
          days: () => said(words.daysChange, { stage: place(slider.stage), change }),
          leads: () => said(words.leadsChange, { channel: channelName(page, words, slider.channel), change }),
          spend: () =>
            said(words.spendChange, {
              channel: page.channels[slider.channel],
              change,
              money: say.change(moreSpent(page, slider, at, value)),
            }),
          price: () => said(loss ? words.lossChange : words.priceChange, { change, loss }),
          size: () => said(words.sizeChange, { change }),
        }[slider.kind](),
      );
    }
    const from = start && at.from ? said(words.from, { day: day(start.choices[at.from], words.lang) }) : "";
    const parts = found.dated.length
      ? [[found.dated.join(words.list), from].filter(Boolean).join(words.comma), ...found.plain]
      : found.plain;
    return { count: found.dated.length + found.plain.length, text: parts.join(words.list) };
  }

  /** Return the money that a changed spend takes more than today's, until the last day that is forecast. */
  function moreSpent(page, { perDay }, at, value) {
    const start = at.from ? page.starts[at.from - 1].day : 0;
    return (perDay * (page.days - start) * value) / 100;
  }

  const DATED = ["odds", "days", "leads", "spend"]; // what may begin in a later month
  const CLASSES = [
    [0.05, "none"],
    [0.2, "unlikely"],
    [0.45, "less"],
    [0.55, "even"],
    [0.8, "likely"],
    [0.95, "very"],
    [2, "certain"],
  ];

  function head(view, { at, plan, now, gap }) {
    const { page, words, say } = view;
    const k = at.period ?? 0;
    const period = page.periods[k];
    const told = now[k];
    const target = at.target || 0;
    const changes = changesOf(view, at);
    const many = changes.count;
    const [low, high] = say.pair(told.quantile[P10], told.quantile[P90]);
    const mean = say.full(told.mean, true);
    view.kicker.textContent = !many
      ? words.today
      : many === 1
        ? words.changed[0]
        : said(words.changed[1], { count: many });
    const kind = target ? CLASSES.find(([edge]) => told.reach <= edge)[1] : "open";
    view.headline.textContent = said(words[kind], { target: say.full(target, true), mean, period });
    const unit = say.unitOf(told.quantile[P90]);
    const short = value => say.inUnit(value, unit, true) + (unit ? words.space + unit[1] : "");
    view.second.textContent = said(target ? words.second : words.secondOnly, {
      mean: short(told.mean),
      low: say.inUnit(told.quantile[P10], unit, true),
      high: short(told.quantile[P90]),
    });
    const parts = [];
    if (many) {
      const change = told.mean - plan[k].mean;
      const width = gap?.[k];
      let text = said(words.difference, { change: say.change(change), period });
      if (width)
        text += said(words.differenceWidth, { low: say.change(width[0]), high: say.change(width[1]) });
      if (target)
        text += said(words.chanceMoves, { was: say.percent(plan[k].reach), now: say.percent(told.reach) });
      parts.push(
        html("span", {}, `${text}${words.stop}`),
        html("span", { class: "changes" }, sentence(changes.text, words)),
      );
    } else parts.push(html("span", { class: "hint" }, whyOf(view) || words.still));
    view.lede.replaceChildren(...parts);
    const more = many ? ` · ${say.change(told.mean - plan[k].mean)}` : "";
    view.bar.replaceChildren(
      html("b", {}, say.money(told.mean)),
      html("span", {}, `${low} ${words.to} ${high}${more}`),
      html("b", {}, target ? say.percent(told.reach) : ""),
    );
  }

  function figuresOf(view, { at, plan, now }) {
    const { page, words, say } = view;
    const k = at.period ?? 0;
    const target = at.target || 0;
    const told = now[k];
    const period = page.periods[k];
    const figure = (label, value, note) =>
      html(
        "div",
        {},
        html("span", { class: "label" }, label),
        html("b", {}, value),
        html("span", { class: "label" }, note),
      );
    const ends = p => {
      const [low, high] = say.pair(p.quantile[P10], p.quantile[P90]);
      return said(words.interval, { low, high });
    };
    const same = Math.abs(told.mean - plan[k].mean) <= MOVES * plan[k].mean;
    const was = text => (same ? "" : said(words.was, { was: text }));
    const figures = [];
    if (target)
      figures.push(
        figure(
          said(words.chanceOf, { target: say.money(target, true), period }),
          say.percent(told.reach),
          was(say.percent(plan[k].reach)),
        ),
      );
    figures.push(figure(said(words.expectedIn, { period }), say.money(told.mean), ends(told)));
    if (view.sliders.length)
      figures.push(
        figure(words.beyond, same ? "0" : say.change(told.mean - plan[k].mean), was(say.money(plan[k].mean))),
      );
    if (page.open)
      figures.push(
        figure(
          words.fromOpen,
          say.money(told.open),
          said(words.ofPeriod, { share: say.percent(told.mean > 0 ? told.open / told.mean : 0), period }),
        ),
      );
    const other = now.findIndex((_, i) => i !== k);
    if (other >= 0)
      figures.push(
        figure(
          said(words.expectedIn, { period: page.periods[other] }),
          say.money(now[other].mean),
          ends(now[other]),
        ),
      );
    view.figures.replaceChildren(...figures);
  }

  function charts(view) {
    const { at, plan, now, exact } = view.state;
    const target = at.target || 0;
    const changed = now.some((told, k) => Math.abs(told.mean - plan[k].mean) > MOVES * plan[k].mean);
    const need =
      1.06 *
      Math.max(
        target,
        ...view.page.past.slice(-12).map(one => one[1]),
        ...now.map(told => told.quantile[P97_5]),
        ...plan.map(told => told.quantile[P97_5]),
      );
    view.top = exact ? need : Math.max(view.top, need); // the axis stands still while something is dragged
    view.fanPlan.textContent = changed ? ` ${view.words.fanPlan}` : "";
    Charts.fan(view, changed);
    if (view.sliders.length && now[0].futures) Charts.futures(view);
  }

  // Tables ----------------------------------------------------------------------------------------

  const table = (heads, rows) =>
    html(
      "table",
      {},
      html(
        "thead",
        {},
        html(
          "tr",
          {},
          ...heads.map(([name, left]) =>
            name ? html("th", { scope: "col", class: left ? "word" : null }, name) : html("td"),
          ),
        ),
      ),
      html("tbody", {}, ...rows),
    );

  function againstOf(view, { at, plan, now, gap }) {
    if (!view.sliders.length) return;
    const { page, words, say, unit } = view;
    const target = at.target || 0;
    const cell = (name, value, kind) => html("td", { "data-name": name, class: kind ?? null }, value);
    const number = value => say.inUnit(value, unit);
    const change = value => say.signed(number(value), value);
    const heads = [
      [words.period, true],
      [words.expected],
      [words.width],
      [words.change],
      [words.changeWidth],
      ...(target ? [[words.chance], [words.planChance]] : []),
    ];
    const rows = now.map((told, k) => {
      const gain = told.mean - plan[k].mean;
      const same = Math.abs(gain) <= MOVES * plan[k].mean;
      const kind = same ? "quiet" : gain > 0 ? "gain" : "loss";
      return html(
        "tr",
        {},
        html("th", { scope: "row", class: "word" }, page.periods[k]),
        cell(words.expected, number(told.mean), "strong"),
        cell(words.width, `${number(told.quantile[P10])} ${words.to} ${number(told.quantile[P90])}`),
        cell(words.change, same ? "0" : change(gain), kind),
        cell(
          words.changeWidth,
          gap?.[k] && !same ? `${change(gap[k][0])} ${words.to} ${change(gap[k][1])}` : DASH,
          "quiet",
        ),
        ...(target
          ? [
              cell(words.chance, say.percent(told.reach), "strong"),
              cell(words.planChance, say.percent(plan[k].reach), "quiet"),
            ]
          : []),
      );
    });
    const total = now.reduce((sum, told, k) => sum + told.mean - plan[k].mean, 0);
    const answer =
      Math.abs(total) > MOVES * plan[0].mean
        ? said(words.againstAnswer, { change: say.signed(say.full(total), total) })
        : words.againstSame;
    view.against.replaceChildren(
      html("h2", { class: "question" }, `${words.againstQuestion}${words.comma}${say.name(unit)}`),
      html("p", { class: "answer" }, answer),
      table(heads, rows),
    );
  }

  function splitOf(view, { at, plan, now }) {
    const { page, words, say, unit } = view;
    const k = at.period ?? 0;
    const most = Math.max(...now.map(told => told.mean), ...plan.map(told => told.mean), 1e-9);
    const bar = told =>
      html(
        "span",
        { class: "stack", "aria-hidden": "true" },
        ...["booked", "open", "fresh"].map(name =>
          html("i", { class: name, style: `width:${(100 * told[name]) / most}%` }),
        ),
      );
    const row = (told, name, quiet) =>
      html(
        "tr",
        { class: quiet ? "plan" : null },
        html("th", { scope: "row", class: "word" }, name),
        html("td", { class: "wide" }, bar(told)),
        ...["booked", "open", "fresh", "mean"].map(part =>
          html("td", { class: part === "mean" && !quiet ? "strong" : null }, say.inUnit(told[part], unit)),
        ),
      );
    const heads = [
      ["", true],
      ["", true],
      [words.bookedPart],
      [words.openPart],
      [words.freshPart],
      [words.expected],
    ];
    const rows = now.flatMap((told, i) =>
      Math.abs(told.mean - plan[i].mean) > MOVES * plan[i].mean
        ? [row(told, page.periods[i]), row(plan[i], words.todayRow, true)]
        : [row(told, page.periods[i])],
    );
    const answer = !page.open
      ? words.splitFresh
      : said(words.splitAnswer, {
          share: say.percent(now[k].mean > 0 ? now[k].open / now[k].mean : 0),
          period: page.periods[k],
        });
    view.split.replaceChildren(
      html("h2", { class: "question" }, `${words.splitQuestion}${words.comma}${say.name(unit)}`),
      html("p", { class: "answer" }, answer),
      table(heads, rows),
    );
  }

  return { create };
})();
