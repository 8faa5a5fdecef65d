// Joins engine and view: positions of sliders become levers, a few draws answer at once, all of them at rest.
/**
 * Begin to answer in `root`, given {contract, words}. The host, a page or a notebook, is asked for
 * {source: script of the worker, recall(): [id, position] of sliders that are moved, keep(the same)}.
 * Returns {put(positions), which moves the sliders, stop(), which ends the worker}.
 */
const start = (root, held, host) => {
  "use strict";

  const REST = 150; // milliseconds after the last move until all draws are asked: an eye does not notice
  const SLOW = 250; // milliseconds from which dragging feels stuck; fewer draws then
  const AGREES = 1e-5; // of a mean: ten times what rates in half the digits may move it
  const LEVELS = [0.1, 0.9];
  // What the worker does with the engine: today's plan has an engine of its own, whose pass stays remembered.
  const AGENT = `
    let plan = null, now = null;
    onmessage = ({ data }) => {
      if (data.engine) { plan = Engine.create(data.engine); now = Engine.create(data.engine); return; }
      const result = Engine.forecast(data.levers.length ? now : plan, data.levers, data.target);
      postMessage({ id: data.id, result });
    };`;

  const { contract } = held;
  const { page } = contract;
  const words = { ...held.words }; // a copy, as a page that disagrees with Python says so in its own words
  const sliders = contract.engine ? slidersOf(page) : [];
  const at = Object.fromEntries(sliders.map(slider => [slider.id, slider.start]));
  if (!sliders.length) at.target = page.target ?? 0;
  const said = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const view = View.create(root, page, words, sliders, { move, rest, reset });
  const now = {
    plan: page.plan,
    few: null,
    still: null,
    all: null,
    quick: null,
    exact: null,
    asked: 0,
    timer: 0,
    frame: 0,
    busy: false,
    failed: false,
  };

  // Sliders ---------------------------------------------------------------------------------------

  /**
   * Return what can be moved: {id, kind, min, max, step, start}, or choices; in whole per cent but for
   * the target.
   */
  function slidersOf(page) {
    const even = (id, kind, most, more) => ({ id, kind, min: -most, max: most, step: 1, start: 0, ...more });
    const chosen = (id, kind, choices) => ({ id, kind, choices, min: 0, max: choices.length - 1, start: 0 });
    const odds = page.exits.flatMap((exits, stage) =>
      exits.map((_, exit) =>
        even(`odds-${stage}-${exit}`, "odds", 50, { stage, exit, main: page.main[stage] === exit }),
      ),
    );
    return [
      ...(page.periods.length > 1 ? [chosen("period", "period", page.periods)] : []),
      ...(page.starts.length
        ? [chosen("from", "from", [null, ...page.starts.map(start => start.date)])]
        : []),
      targetSlider(page),
      ...odds.filter(slider => page.exits[slider.stage].length > 1),
      ...page.exits.map((_, stage) => even(`days-${stage}`, "days", 50, { stage })),
      ...page.channels.map((_, channel) => even(`leads-${channel}`, "leads", 50, { channel })),
      ...page.spend.map(({ channel, perDay }) =>
        even(`spend-${channel}`, "spend", 50, { channel, perDay }),
      ),
      even("price", "price", 20),
      chosen("loss", "loss", page.losses),
      even("size", "size", 30),
    ];
  }

  function targetSlider({ plan, target }) {
    const rough = Math.max(...plan.map(told => told.quantile[14]), target ?? 0) / 50 || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = ([1, 2, 5, 10].find(times => times * power >= rough) * power) / 2;
    const fits = target === null || Math.abs(target / step - Math.round(target / step)) < 1e-9;
    return {
      id: "target",
      kind: "target",
      min: 0,
      max: step * 150,
      step: fits ? step : "any",
      start: target ?? 0,
    };
  }

  /**
   * Return what the engine is to change; price and size act from today on, the rest from the chosen
   * month.
   */
  function leversOf(at) {
    const start = at.from ? page.starts[at.from - 1].day : 0;
    const found = [];
    const factor = value => 1 + value / 100;
    for (const { id, kind, stage, exit, channel } of sliders) {
      if (!at[id] || !["odds", "days", "leads", "spend"].includes(kind)) continue;
      found.push({ kind, stage, exit, channel, multiply: factor(at[id]), start });
    }
    const price = factor(at.price);
    const loss = sliders.find(slider => slider.id === "loss").choices[at.loss];
    if (price !== 1 && loss)
      for (const [stage, exit] of page.wins)
        found.push({ kind: "odds", stage, exit, multiply: price ** -loss, start: 0 });
    for (const factor_ of [price, factor(at.size)])
      if (factor_ !== 1) found.push({ kind: "value", multiply: factor_ });
    return found;
  }

  // Reckoning -------------------------------------------------------------------------------------

  const goal = () => at.target || NaN;

  /** Return a result as the view wants it: by period mean, quantile, futures, reach, booked, open, fresh. */
  const told = result =>
    result.periods.map(({ total, open, fresh }, k) => ({
      ...total,
      open,
      fresh,
      booked: page.plan[k].booked,
    }));

  /**
   * Return what few draws say, moved by what they missed of today's plan: the answer sets out from the
   * exact one.
   */
  function nearly(result, plan) {
    return result.map((told, k) => {
      const moved = page.plan[k].mean - plan[k].mean;
      const by = (values, exact, few) => values.map((value, i) => Math.max(value + exact[i] - few[i], 0));
      return {
        ...told,
        mean: told.mean + moved,
        open: told.open + page.plan[k].open - plan[k].open,
        fresh: told.fresh + page.plan[k].fresh - plan[k].fresh,
        quantile: by(told.quantile, page.plan[k].quantile, plan[k].quantile),
      };
    });
  }

  function quick() {
    now.frame = 0;
    if (!now.few) return;
    const result = nearly(told(Engine.forecast(now.few, leversOf(at), goal())), now.quick);
    view.paint({ at, plan: planNow(), now: result, gap: null, exact: false, status: status(false) });
  }

  function planNow() {
    const reach = planReach();
    return page.plan.map((plan, k) => ({ ...plan, reach: reach[k] }));
  }

  /**
   * Return the chance of the target in each period under today's plan: Python's own, or by the last exact run
   * at another target.
   */
  function planReach() {
    if (!at.target || at.target === page.target) return page.plan.map(({ reach }) => reach);
    if (now.reach?.target === at.target) return now.reach.values;
    return Engine.forecast(now.still, [], goal()).periods.map(({ total }) => total.reach);
  }

  const status = exact => {
    const values = { draws: contract.engine.draws, few: now.few?.draws ?? 0 };
    if (contract.engine.draws === 1) return words.oneDraw;
    return said(exact ? words.exact : now.failed ? words.failed : words.quick, values);
  };

  /** Show what all draws say; the change's interval is over draws, each with its own rates. */
  function exactly(result) {
    const { periods, means, weight } = result;
    const count = periods.length;
    const base = now.plan200;
    const gap =
      base &&
      weight.length > 1 &&
      periods.map((_, k) =>
        spread(
          Array.from(weight, (_, d) => means[d * count + k] - base.means[d * count + k]),
          weight,
        ),
      );
    view.paint({
      at,
      plan: planNow(),
      now: told(result),
      gap: gap && leversOf(at).length ? gap : null,
      exact: true,
      status: status(true),
    });
  }

  function spread(values, weight) {
    const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
    return LEVELS.map(level => {
      let sum = 0;
      return values[order.find(i => (sum += weight[i]) >= level - 1e-12) ?? order.at(-1)];
    });
  }

  // All draws, in a worker ------------------------------------------------------------------------

  /** Return {ask(levers, target), which answers with a promise: in a worker, or here where there is none; stop}. */
  function exactEngine() {
    const here = {
      ask: (levers, target) =>
        new Promise(done =>
          setTimeout(() => {
            now.all ??= Engine.create(contract.engine);
            done(Engine.forecast(now.all, levers, target));
          }),
        ),
      stop: () => {},
    };
    let worker;
    try {
      const source = new Blob([host.source, AGENT], { type: "text/javascript" });
      worker = new Worker(URL.createObjectURL(source));
    } catch {
      return here;
    }
    const waiting = new Map();
    let number = 0;
    let broken = false;
    worker.onmessage = ({ data }) => {
      waiting.get(data.id)?.done(data.result);
      waiting.delete(data.id);
    };
    worker.onerror = event => {
      event.preventDefault();
      broken = true;
      for (const { levers, target, done } of waiting.values()) here.ask(levers, target).then(done);
      waiting.clear();
    };
    worker.postMessage({ engine: contract.engine });
    return {
      stop: () => worker.terminate(),
      ask: (levers, target) =>
        broken
          ? here.ask(levers, target)
          : new Promise(done => {
              waiting.set(number, { levers, target, done });
              worker.postMessage({ id: number++, levers, target });
            }),
    };
  }

  async function refine() {
    if (now.busy) return;
    now.busy = true;
    let asked;
    do {
      asked = now.asked;
      const target = at.target;
      if (now.reach?.target !== target && target && target !== page.target) {
        const plan = await now.exact.ask([], goal());
        now.reach = { target, values: plan.periods.map(period => period.total.reach) };
      }
      if (asked !== now.asked) continue;
      const result = await now.exact.ask(leversOf(at), goal());
      if (asked === now.asked) exactly(result);
    } while (asked !== now.asked && !now.timer);
    now.busy = false;
  }

  // What is moved ---------------------------------------------------------------------------------

  function move(id, value) {
    at[id] = value;
    now.asked++;
    now.frame ||= requestAnimationFrame(quick);
    clearTimeout(now.timer);
    now.timer = setTimeout(rest, REST);
  }

  function rest() {
    clearTimeout(now.timer);
    now.timer = 0;
    remember();
    if (now.exact)
      refine().catch(() => {
        now.failed = true;
        now.busy = false;
        quick();
      });
  }

  function reset() {
    for (const slider of sliders) if (slider.id !== "period") at[slider.id] = slider.start;
    move("period", at.period ?? 0);
    rest();
  }

  const remember = () =>
    host.keep(sliders.filter(({ id, start }) => at[id] !== start).map(({ id }) => [id, at[id]]));

  function recall(positions) {
    for (const [id, position] of positions) {
      const slider = sliders.find(one => one.id === id);
      const value = Number(position);
      if (slider && Number.isFinite(value)) at[id] = Math.min(Math.max(value, slider.min), slider.max);
    }
  }

  /** Move the sliders to these positions, all others back; nothing happens where they stand there already. */
  function put(positions) {
    const before = { ...at };
    for (const { id, start } of sliders) at[id] = start;
    recall(positions);
    const moved = sliders.find(({ id }) => at[id] !== before[id]);
    if (!moved) return;
    move(moved.id, at[moved.id]);
    rest();
  }

  // Begin -----------------------------------------------------------------------------------------

  function begin() {
    if (sliders.length) recall(host.recall());
    view.paint({
      at,
      plan: page.plan,
      now: page.plan,
      gap: null,
      exact: true,
      status: sliders.length ? status(true) : "",
    });
    if (!sliders.length) return;
    setTimeout(() => {
      now.exact = exactEngine();
      few(contract.drags[0]);
      const before = performance.now();
      Engine.forecast(now.few, [{ kind: "days", stage: 0, multiply: 1.01 }], goal());
      if (performance.now() - before > SLOW) few(contract.drags.at(-1));
      quick();
      now.exact.ask([], page.target ?? NaN).then(result => {
        now.plan200 = result;
        if (
          result.periods.some(
            ({ total }, k) => Math.abs(total.mean - page.plan[k].mean) > AGREES * page.plan[k].mean,
          )
        )
          disagree();
        rest();
      });
    });
  }

  function few(drag) {
    now.few = Engine.create(contract.engine, drag);
    now.still = Engine.create(contract.engine, drag); // of today's plan, whose pass stays remembered
    now.quick = told(Engine.forecast(now.still, [], page.target ?? NaN));
  }

  function disagree() {
    words.exact = words.quick = words.disagrees;
    root.classList.add("wrong");
  }

  begin();
  return { put, stop: () => now.exact?.stop() };
};
