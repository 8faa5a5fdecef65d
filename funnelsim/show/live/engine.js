// The exact forecast in plain JavaScript: chances by one backward pass over days.
//
// The third twin of funnelsim/forecasting/exact.py: same lattice, same formulas, so that a page says what
// `fs.forecast` says. Numbers only: it knows no page, no slider and no word; distribution.js stands before
// it. `contract` is what funnelsim/forecasting/live.py hands over; arrays are flat, the last index runs
// fastest.
const Engine = (() => {
  "use strict";

  const VERSION = 1;
  const FACTOR_DIGITS = 1e12; // as in exact.py
  const ENDLESS = 2 ** 30; // an age that none reaches; whole, as loops over whole numbers are twice as fast
  const LEAST_STAY = 1e-300; // its logarithm is a number
  const KINDS = { f8: Float64Array, f4: Float32Array, u2: Uint16Array };

  /** Return the numbers of {type, base64}, little-endian as every browser's machine is. */
  function unpack({ type, base64 }) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    const found = new KINDS[type](bytes.buffer);
    return type === "f4" ? Float64Array.from(found) : found;
  }

  /** Make an engine of some draws with weights; of all of them, evenly, where none are named. */
  function create(contract, { rows = null, weights = null } = {}) {
    if (contract.version !== VERSION)
      throw new Error(`contract ${contract.version}: this page knows ${VERSION}`);
    const { map, time, deals } = contract;
    const engine = {
      groups: map.groups,
      stages: map.targets.length,
      places: map.earns.length,
      targets: map.targets,
      earns: map.earns,
      wins: map.targets.map(exits => exits.map(place => map.earns[place] > 0)),
      step: time.step,
      times: time.times,
      periods: time.periods,
      days: time.days,
      passed: unpack(time.passed),
      beyond: unpack(time.beyond),
      edges: unpack(contract.edges),
      bins: contract.bins,
      speed: unpack(contract.speed),
      stage: unpack(deals.stage),
      group: unpack(deals.group),
      age: unpack(deals.age),
      amount: unpack(deals.amount),
      atoms: unpack(contract.atoms),
      spread: contract.spread,
      booked: contract.booked,
      ways: contract.ways,
      leads: unpack(contract.leads),
      spend: new Map(contract.spend.map(one => [one.channel, one])),
      known: {},
      scratch: {},
    };
    engine.count = engine.age.length;
    engine.oldest = engine.age.reduce((a, b) => Math.max(a, b), 0);
    engine.exits = map.targets.reduce((sum, exits) => sum + exits.length, 0);
    engine.first = map.targets.map((_, s) =>
      map.targets.slice(0, s).reduce((sum, exits) => sum + exits.length, 0),
    );
    const chosen = rows ?? Array.from({ length: contract.draws }, (_, d) => d);
    engine.draws = chosen.length;
    engine.rough = chosen.length < contract.draws;
    engine.rates = picked(unpack(contract.rates), chosen, engine.groups * engine.exits * engine.bins);
    engine.common = picked(unpack(contract.common), chosen, engine.periods);
    const weight = Float64Array.from(weights ?? chosen.map(() => 1));
    const sum = weight.reduce((a, b) => a + b, 0);
    engine.weight = weight.map(x => x / sum);
    return engine;
  }

  function picked(values, rows, size) {
    const found = new Float64Array(rows.length * size);
    rows.forEach((row, i) => found.set(values.subarray(row * size, (row + 1) * size), i * size));
    return found;
  }

  /**
   * Forecast every period under some levers.
   *
   * levers: {kind: "odds" | "days" | "leads" | "spend" | "value", multiply, stage, exit, channel, start};
   * `start` in days from now, 0 by default. odds: the exit's odds, the time of leaving stays; days: time in
   * the stage; spend: the money spent on a channel, which its leads answer (see `answer`).
   * Returns {means: money expected by each draw, draw by draw, (draws, periods), periods: [{total, open,
   * fresh}]}, total with mean, sd, luck, quantile (LEVELS), futures (twenty equally likely amounts), reach
   * (chance of target), open and fresh the money expected of open deals and of leads to come.
   */
  function forecast(engine, levers, target = NaN) {
    const found = chances(engine, levers);
    const born = births(engine, levers, found.enter);
    const up = levers.reduce(
      (product, lever) => (lever.kind === "value" ? product * lever.multiply : product),
      1,
    );
    const scaled = values => (up === 1 ? values : values.map(x => x * up));
    const amount = scaled(engine.amount);
    const atoms = scaled(engine.atoms);
    const size = engine.count * engine.draws;
    const means = new Float64Array(engine.draws * engine.periods);
    const periods = [];
    for (let k = 0; k < engine.periods; k++) {
      const lump = {
        amount,
        atoms,
        spread: engine.spread,
        weight: engine.weight,
        draws: engine.draws,
        groups: engine.groups,
        rough: engine.rough,
        chance: found.chance.subarray(k * size, (k + 1) * size),
        born: born.subarray(k * engine.draws * engine.groups, (k + 1) * engine.draws * engine.groups),
      };
      const sure = k === 0 ? engine.booked : 0;
      const told = Distribution.distributions(lump, target - sure);
      for (let d = 0; d < engine.draws; d++) means[d * engine.periods + k] = told.means[d] + sure;
      periods.push({ total: shifted(told.total, sure), open: told.open, fresh: told.fresh });
    }
    return { means, weight: engine.weight, periods };
  }

  function shifted(told, sure) {
    const move = values => values.map(x => x + sure);
    return { ...told, mean: told.mean + sure, quantile: move(told.quantile), futures: move(told.futures) };
  }

  // Rates and speeds under levers -----------------------------------------------------------------

  /** Return the eras of one draw, each {start, rates (groups, exits, bins), speed (groups, stages)}. */
  function eras(engine, draw, levers) {
    const size = engine.groups * engine.exits * engine.bins;
    const base = engine.rates.subarray(draw * size, (draw + 1) * size);
    const starts = [...new Set([0, ...levers.map(lever => lever.start ?? 0)])].sort((a, b) => a - b);
    return starts.map(start => {
      const rates = base.slice();
      const speed = engine.speed.slice();
      for (const lever of levers) {
        if ((lever.start ?? 0) > start) continue;
        for (let g = 0; g < engine.groups; g++) {
          if (lever.kind === "days") speed[g * engine.stages + lever.stage] /= lever.multiply;
          else resplit(engine, rates, g, lever);
        }
      }
      return { start, rates, speed };
    });
  }

  /** Multiply the odds of one exit at every age; the sum of the rates stays (see `era_rates`). */
  function resplit(engine, rates, group, { stage, exit, multiply }) {
    const { bins, first, targets } = engine;
    const at = (group * engine.exits + first[stage]) * bins;
    const exits = targets[stage].length;
    for (let b = 0; b < bins; b++) {
      let total = 0;
      for (let x = 0; x < exits; x++) total += rates[at + x * bins + b];
      const chosen = rates[at + exit * bins + b];
      if (chosen >= total) continue; // alone, or closed: nothing to re-split
      const share = 1 + ((multiply - 1) * chosen) / total;
      for (let x = 0; x < exits; x++) rates[at + x * bins + b] *= (x === exit ? multiply : 1) / share;
    }
  }

  /**
   * Return the distinct factors on winning, which of them each cell of time has, wins' shares by period,
   * and their ends.
   */
  function paces(engine, draw) {
    const { times, periods, passed, beyond, common, step } = engine;
    const distinct = [];
    const numbers = new Map();
    const which = new Int32Array(times);
    const share = new Float64Array(times * periods);
    for (let t = 0; t < times; t++) {
      let run = beyond[t];
      for (let k = 0; k < periods; k++) run += passed[t * periods + k] * common[draw * periods + k];
      for (let k = 0; k < periods; k++) {
        const own = (passed[t * periods + k] * common[draw * periods + k]) / Math.max(run, 1e-300);
        share[t * periods + k] = Math.min(Math.max(own, 0), 1);
      }
      const factor = Math.round((run / step) * FACTOR_DIGITS) / FACTOR_DIGITS;
      if (!numbers.has(factor)) {
        numbers.set(factor, distinct.length);
        distinct.push(factor);
      }
      which[t] = numbers.get(factor);
    }
    const lasts = Array.from({ length: periods }, (_, k) => {
      let last = times - 1;
      while (last >= 0 && share[last * periods + k] === 0) last--;
      return last;
    });
    return { distinct, which, share, lasts };
  }

  // Cells of age ----------------------------------------------------------------------------------

  /**
   * Return the ends of runs of ages whose cells are alike; age 0 stands apart, as leads that enter have
   * it.
   */
  function runsOf(edges, wide, ages) {
    const ends = [1];
    for (let b = 1; b < edges.length && Number.isFinite(edges[b]); b++) {
      const place = edges[b] / wide;
      const uncut = Math.abs(place - Math.round(place)) < 1e-9;
      const begin = uncut ? Math.round(place) : Math.floor(place);
      for (const end of [begin, uncut ? begin : begin + 1])
        if (ends.at(-1) < end && end < ages) ends.push(end);
    }
    ends.push(ages);
    return ends;
  }

  /**
   * Fill, for one cell of age, the chances to leave by each exit and those times the time; return that to
   * stay.
   */
  function leaving(edges, rates, at, bins, exits, factor, left, right, leave, late, to) {
    let stay = 1;
    let begin = left;
    let b = 0;
    for (let x = 0; x < exits; x++) leave[to + x] = late[to + x] = 0;
    while (begin < right) {
      while (b < bins - 1 && edges[b + 1] <= begin) b++;
      const end = b === bins - 1 ? right : Math.min(right, edges[b + 1]);
      let total = 0;
      for (let x = 0; x < exits; x++) total += rates[at + x * bins + b] * factor[x];
      if (total > 0) {
        const hazard = total * (end - begin);
        const gone = -Math.expm1(-hazard);
        const inside = hazard < 1e-3 ? 0.5 - hazard / 12 : 1 / hazard - Math.exp(-hazard) / gone;
        const moment = (begin - left + inside * (end - begin)) / (right - left);
        for (let x = 0; x < exits; x++) {
          const part = (stay * gone * rates[at + x * bins + b] * factor[x]) / total;
          leave[to + x] += part;
          late[to + x] += part * moment;
        }
        stay *= 1 - gone;
      }
      begin = end;
    }
    return stay;
  }

  /**
   * Return the cells of one era, pace and group: ends of runs and chances by stage, and how to solve age
   * 0.
   */
  function cellsOf(engine, era, group, pace, ages) {
    const { stages, targets, first, bins, wins, step } = engine;
    const found = [];
    for (let s = 0; s < stages; s++) {
      const wide = era.speed[group * stages + s] * step;
      const exits = targets[s].length;
      const edges = engine.edges.subarray((group * stages + s) * bins, (group * stages + s + 1) * bins);
      const ends = runsOf(edges, wide, ages);
      const factor = wins[s].map(win => (win ? pace : 1));
      const leave = new Float64Array(ends.length * exits);
      const late = new Float64Array(ends.length * exits);
      const stay = new Float64Array(ends.length);
      const at = (group * engine.exits + first[s]) * bins;
      let begin = 0;
      ends.forEach((end, run) => {
        stay[run] = leaving(
          edges,
          era.rates,
          at,
          bins,
          exits,
          factor,
          begin * wide,
          begin * wide + wide,
          leave,
          late,
          run * exits,
        );
        begin = end;
      });
      found.push({ ends: Int32Array.from(ends), stay, leave, late, exits });
    }
    return { stages: found, solve: inverse(atOnce(engine, found), stages) };
  }

  /**
   * Return I - M for leads of age 0, M[r, s] the chance to move on to s within the cell, by the time that
   * is left.
   */
  function atOnce({ stages, targets }, cells) {
    const matrix = new Float64Array(stages * stages);
    for (let r = 0; r < stages; r++) {
      matrix[r * stages + r] += 1;
      targets[r].forEach((s, x) => {
        if (s < stages) matrix[r * stages + s] -= cells[r].leave[x] - cells[r].late[x];
      });
    }
    return matrix;
  }

  /** Invert a small matrix by Gauss and Jordan, with pivots. */
  function inverse(given, n) {
    const a = Float64Array.from(given);
    const found = new Float64Array(n * n);
    const swap = (m, i, j) => {
      for (let c = 0; c < n; c++) [m[i * n + c], m[j * n + c]] = [m[j * n + c], m[i * n + c]];
    };
    for (let i = 0; i < n; i++) found[i * n + i] = 1;
    for (let i = 0; i < n; i++) {
      let pivot = i;
      for (let r = i + 1; r < n; r++) if (Math.abs(a[r * n + i]) > Math.abs(a[pivot * n + i])) pivot = r;
      if (pivot !== i) {
        swap(a, i, pivot);
        swap(found, i, pivot);
      }
      const over = 1 / a[i * n + i];
      for (let c = 0; c < n; c++) {
        a[i * n + c] *= over;
        found[i * n + c] *= over;
      }
      for (let r = 0; r < n; r++) {
        const times = a[r * n + i];
        if (r === i || times === 0) continue;
        for (let c = 0; c < n; c++) {
          a[r * n + c] -= times * a[i * n + c];
          found[r * n + c] -= times * found[i * n + c];
        }
      }
    }
    return found;
  }

  // The backward pass -----------------------------------------------------------------------------

  /**
   * Return the chance of every open deal, (periods, deals, draws), and the value of entering each stage,
   * (draws, groups, times + 1, stages, periods); remembered until a lever on odds or days moves.
   */
  function chances(engine, levers) {
    const chosen = levers.filter(lever => lever.kind === "odds" || lever.kind === "days");
    const key = JSON.stringify(chosen);
    if (engine.known.key === key) return engine.known;
    const { draws, groups, stages, times, periods, count } = engine;
    const size = (times + 1) * stages * periods;
    const chance = new Float64Array(periods * count * draws);
    const enter = new Float64Array(draws * groups * size);
    for (let d = 0; d < draws; d++) {
      const change = eras(engine, d, chosen);
      const pace = paces(engine, d);
      const ages = agesOf(engine, change);
      for (let g = 0; g < groups; g++) {
        const own = enter.subarray((d * groups + g) * size, (d * groups + g + 1) * size);
        const value = backward(engine, change, pace, g, ages, own);
        lookUp(engine, value, change[0].speed, g, ages, chance, d);
      }
    }
    engine.known = { key, chance, enter };
    return engine.known;
  }

  /** Return how many points the lattice of ages has: as far as an age is looked up or hazards change. */
  function agesOf({ edges, times, step, oldest }, change) {
    let far = 0;
    let fast = 1;
    let slow = 1;
    for (const edge of edges) if (Number.isFinite(edge)) far = Math.max(far, edge);
    for (const era of change)
      for (const speed of era.speed) {
        fast = Math.max(fast, speed);
        slow = Math.min(slow, speed);
      }
    return 2 + Math.ceil(Math.min(far, times * step * fast + oldest) / (step * slow));
  }

  /** Return one group's value on day 0, (periods, stages, ages), and fill that of entering at every time. */
  function backward(engine, change, pace, group, ages, entry) {
    const { times, periods, stages, step } = engine;
    let line = new Float64Array(periods * stages * ages);
    let until = times;
    for (let era = change.length - 1; era >= 0; era--) {
      const begin = era === 0 ? 0 : Math.min(Math.max(Math.ceil(change[era].start / step - 0.5), 0), until);
      if (begin < until) line = segment(engine, change[era], pace, group, ages, begin, until, line, entry);
      if (era > 0) stretch(engine, line, change[era].speed, change[era - 1].speed, group, ages);
      until = begin;
    }
    return line;
  }

  /**
   * Step back through one era, from the values at its end, `line` (periods, stages, ages), to those at its
   * begin.
   *
   * Cells of a run of ages are alike, so only the first age of each run is stepped back, not every age:
   * V_t[a] = E[t] - Q E[t + m] + Q V_{t + m}[a + m], E[t] = gain[t] + stay[t] E[t + 1], with m cells to the
   * end of the run, or of the era if that is nearer, and Q the chance to stay through them. Exact, in half
   * the time.
   */
  function segment(engine, era, pace, group, ages, begin, until, line, entry) {
    const { periods, stages } = engine;
    const span = until - begin;
    const wide = span + 1;
    const cells = pace.distinct.map(factor => cellsOf(engine, era, group, factor, ages));
    const runs = flatRuns(cells[0].stages);
    const stays = survivals(engine, runs, cells, pace.which, begin, span);
    const kept = keptBy(engine, runs, stays, ages, span);
    const gains = scratch(engine, "gains", runs.count * wide);
    const values = scratch(engine, "values", runs.count * wide);
    const work = {
      before: new Float64Array(stages),
      known: new Float64Array(stages),
      now: new Float64Array(stages),
      worth: new Float64Array(engine.exits),
      shift: new Float64Array(engine.exits),
    };
    const found = new Float64Array(line.length);
    for (let k = 0; k < periods; k++) {
      const old = line.subarray(k * stages * ages, (k + 1) * stages * ages);
      gains.fill(0);
      values.fill(0);
      work.now.fill(0);
      for (let c = 0; c < runs.count; c++) values[c * wide + span] = old[runs.stage[c] * ages + runs.from[c]];
      for (let s = 0; s < stages; s++) work.now[s] = old[s * ages];
      for (let t = span - 1; t >= 0; t--) {
        const booked = pace.share[(begin + t) * periods + k];
        if (booked === 0 && begin + t > pace.lasts[k]) continue;
        enterBack(engine, cells[pace.which[begin + t]], runs, values, wide, t, booked, work);
        runsBack(
          engine,
          cells[pace.which[begin + t]],
          runs,
          stays,
          gains,
          values,
          old,
          ages,
          t,
          span,
          booked,
          work,
        );
        for (let s = 0; s < stages; s++) entry[((begin + t) * stages + s) * periods + k] = work.now[s];
      }
      spread(
        runs,
        kept,
        gains,
        values,
        old,
        found.subarray(k * stages * ages, (k + 1) * stages * ages),
        ages,
        span,
        work.now,
      );
    }
    return found;
  }

  /** Return room for numbers that are needed for a moment only; what stood there before is of no account. */
  function scratch(engine, name, size) {
    if (!(engine.scratch[name]?.length >= size)) engine.scratch[name] = new Float64Array(size);
    return engine.scratch[name].subarray(0, size);
  }

  /**
   * Return the runs of all stages in one row, but for age 0: their stage, first age, cells (`cut`), and
   * where a stage begins.
   */
  function flatRuns(cells) {
    const stage = [];
    const from = [];
    const cut = [];
    const first = [];
    cells.forEach(({ ends }, s) => {
      first.push(stage.length);
      for (let run = 1; run < ends.length; run++) {
        stage.push(s);
        from.push(ends[run - 1]);
        cut.push((run < ends.length - 1 ? ends[run] : ENDLESS) - ends[run - 1]);
      }
    });
    const whole = list => Int32Array.from(list);
    return {
      count: stage.length,
      stage: whole(stage),
      from: whole(from),
      cut: whole(cut),
      first: whole([...first, stage.length]),
    };
  }

  /** Return by run and time the logarithm of the chance to stay until the era's end, and Q of `segment`. */
  function survivals(engine, runs, cells, which, begin, span) {
    const wide = span + 1;
    const size = runs.count * wide;
    const logs = scratch(engine, "logs", size);
    const through = scratch(engine, "through", size);
    for (let c = 0; c < runs.count; c++) {
      const s = runs.stage[c];
      const run = c - runs.first[s] + 1;
      const at = c * wide;
      const cut = runs.cut[c];
      const stay = cells.map(cell => cell.stages[s].stay[run]);
      const log = stay.map(x => Math.log(Math.max(x, LEAST_STAY)));
      const same = stay.every(x => x === stay[0]);
      logs[at + span] = 0;
      through[at + span] = 1;
      for (let t = span - 1; t >= 0; t--) {
        const pace = which[begin + t];
        logs[at + t] = logs[at + t + 1] + log[pace];
        // A window that slides by one cell keeps its product where the cell that leaves is like the new one.
        if (t + cut >= span) through[at + t] = through[at + t + 1] * stay[pace];
        else if (same || pace === which[begin + t + cut]) through[at + t] = through[at + t + 1];
        else through[at + t] = Math.exp(logs[at + t] - logs[at + t + cut]);
      }
    }
    return { logs, through };
  }

  /**
   * Put into `work.now` the value of entering each stage, solved jointly, and into `before` that of a
   * cell later.
   */
  function enterBack(
    { stages, targets, earns },
    cells,
    runs,
    values,
    wide,
    t,
    booked,
    { before, known, now },
  ) {
    before.set(now);
    for (let r = 0; r < stages; r++) {
      const { stay, leave, late } = cells.stages[r];
      const ways = targets[r];
      let sum = stay[0] * values[runs.first[r] * wide + t + 1];
      for (let x = 0; x < ways.length; x++) {
        sum += leave[x] * earns[ways[x]] * booked;
        if (ways[x] < stages) sum += late[x] * before[ways[x]];
      }
      known[r] = sum;
    }
    for (let r = 0; r < stages; r++) {
      let sum = 0;
      for (let s = 0; s < stages; s++) sum += cells.solve[r * stages + s] * known[s];
      now[r] = sum;
    }
  }

  /** Step the first age of every run one cell of time back. */
  function runsBack(
    { stages, targets, earns },
    cells,
    { first, from, cut },
    { through },
    gains,
    values,
    old,
    ages,
    t,
    span,
    booked,
    { before, now, worth, shift },
  ) {
    const wide = span + 1;
    for (let r = 0; r < stages; r++) {
      const { stay, leave, late, exits } = cells.stages[r];
      for (let x = 0; x < exits; x++) {
        const s = targets[r][x];
        worth[x] = earns[s] * booked + (s < stages ? now[s] : 0);
        shift[x] = s < stages ? before[s] - now[s] : 0;
      }
      for (let c = first[r], i = exits, at = c * wide + t; c < first[r + 1]; c++, at += wide) {
        let gain = stay[c - first[r] + 1] * gains[at + 1];
        for (let x = 0; x < exits; x++, i++) gain += leave[i] * worth[x] + late[i] * shift[x];
        gains[at] = gain;
        const inside = t + cut[c] <= span;
        const next = inside
          ? values[at + wide + cut[c]]
          : old[r * ages + Math.min(from[c] + span - t, ages - 1)];
        values[at] = gain + through[at] * (next - gains[at + (inside ? cut[c] : span - t)]);
      }
    }
  }

  /** Return by stage and age the chance to stay from an era's begin to the end of the run, or of the era. */
  function keptBy(engine, runs, { logs }, ages, span) {
    const kept = scratch(engine, "kept", engine.stages * ages);
    for (let c = 0; c < runs.count; c++) {
      const at = c * (span + 1);
      const end = runs.from[c] + runs.cut[c];
      for (let a = runs.from[c]; a < Math.min(end, ages); a++)
        kept[runs.stage[c] * ages + a] = Math.exp(logs[at] - logs[at + Math.min(end - a, span)]);
    }
    return kept;
  }

  /** Fill the values of all ages at an era's begin from those of the first ages of runs. */
  function spread(runs, kept, gains, values, old, found, ages, span, now) {
    const wide = span + 1;
    now.forEach((value, s) => {
      found[s * ages] = value;
    });
    for (let c = 0; c < runs.count; c++) {
      const at = c * wide;
      const base = runs.stage[c] * ages;
      const end = runs.from[c] + runs.cut[c];
      for (let a = runs.from[c]; a < Math.min(end, ages); a++) {
        const cells = Math.min(end - a, span);
        const next = a + cells === end ? values[at + wide + cells] : old[base + Math.min(a + span, ages - 1)];
        found[base + a] = gains[at] + kept[base + a] * (next - gains[at + cells]);
      }
    }
  }

  /** Move values from the age lattice of one speed to that of another, where a lever begins. */
  function stretch({ periods, stages }, value, old, fresh, group, ages) {
    for (let s = 0; s < stages; s++) {
      const ratio = fresh[group * stages + s] / old[group * stages + s];
      if (ratio === 1) continue;
      for (let k = 0; k < periods; k++) {
        const at = (k * stages + s) * ages;
        const line = value.slice(at, at + ages);
        for (let a = 0; a < ages; a++) value[at + a] = between(line, 0, a * ratio, ages);
      }
    }
  }

  /** Return a line's value at a place between its points; beyond the last that of the last. */
  function between(line, at, place, length) {
    const low = Math.min(Math.floor(place), length - 2);
    const part = Math.min(place - low, 1);
    return line[at + low] * (1 - part) + line[at + low + 1] * part;
  }

  function lookUp(
    { periods, stages, count, draws, step, stage, group, age },
    value,
    speed,
    own,
    ages,
    chance,
    draw,
  ) {
    for (let i = 0; i < count; i++) {
      if (group[i] !== own) continue;
      const place = Math.min(Math.max(age[i] / (step * speed[own * stages + stage[i]]), 0), ages - 1);
      for (let k = 0; k < periods; k++) {
        chance[(k * count + i) * draws + draw] = between(value, (k * stages + stage[i]) * ages, place, ages);
      }
    }
  }

  /**
   * Return the wins expected of leads to come, (periods, draws, groups); leads of a day enter evenly over
   * it.
   */
  function births(engine, levers, enter) {
    const { draws, groups, stages, times, periods, step } = engine;
    const size = (times + 1) * stages * periods;
    const leads = intake(engine, levers);
    const found = new Float64Array(periods * draws * groups);
    const across = stages * periods;
    for (let d = 0; d < draws; d++)
      for (let g = 0; g < groups; g++)
        for (let s = 0; s < stages; s++)
          for (let t = 0; t < times; t++) {
            const number = leads[(g * stages + s) * times + t] * step;
            if (number === 0) continue;
            const at = (d * groups + g) * size + (t * stages + s) * periods;
            for (let k = 0; k < periods; k++)
              found[(k * draws + d) * groups + g] += (number * (enter[at + k] + enter[at + across + k])) / 2;
          }
    return found;
  }

  /** Return leads per day by group, stage and cell of time, under levers on channels. */
  function intake({ ways, leads, spend, days, groups, stages, times, step }, levers) {
    const found = new Float64Array(groups * stages * times);
    ways.forEach(([stage, group, channel], way) => {
      const own = levers.filter(lever => lever.channel === channel);
      for (let t = 0; t < times; t++) {
        const day = Math.min(Math.floor(step * (t + 0.5)), days - 1);
        let number = leads[way * days + day];
        for (const lever of own) {
          if (lever.kind === "leads" && day >= Math.ceil(lever.start ?? 0)) number *= lever.multiply;
          if (lever.kind === "spend") number *= answer(spend.get(channel), lever, day);
        }
        found[(group * stages + stage) * times + t] += number;
      }
    });
    return found;
  }

  /**
   * Return the factor on a day's leads of a channel whose spend is multiplied from a day on: a lag later,
   * and week by week as much of it as acts by then, to the power of the elasticity.
   */
  function answer({ elasticity, lag, parts }, { multiply, start = 0 }, day) {
    const since = week => day >= Math.ceil(start + lag + 7 * week);
    if (!since(0)) return 1;
    let week = 0;
    while (week + 1 < parts.length && since(week + 1)) week++;
    return Math.max(1 + (multiply - 1) * parts[week], 0) ** elasticity;
  }

  return { create, forecast };
})();
