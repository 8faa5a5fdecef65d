// Lives of leads, numbers only: lived by the rates, or read from a run, and when each is seen where.
// Each lead's n-th choice is luck(seed, lead, n): a slider changes only the lives that it must change.
const Lives = (() => {
  "use strict";

  const MOST = 400000; // visits: what a browser holds with ease; growth without bound ends here
  const WAYS = 1 << 22; // numbers of leads that one way in may use
  const ROUNDS = 60; // of fitting chances; ten are enough for six digits, but for chances near 0

  const mix = h => {
    h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
    h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
    return (h ^ (h >>> 15)) >>> 0;
  };
  /** Return a number between 0 and 1 that depends on nothing but seed, lead and turn. */
  const luck = (seed, lead, turn) =>
    (mix((mix((mix(seed) ^ lead) >>> 0) + Math.imul(turn, 0x9e3779b9)) >>> 0) + 0.5) / 4294967296;

  // Laws ------------------------------------------------------------------------------------------

  /** Return the chance of each exit under one stage's rates, by bins of age: the last is open-ended. */
  function incidence(law, factor) {
    const taken = law.rates[0].map(() => 0);
    let left = 1;
    law.edges.forEach((edge, bin) => {
      const { total, split } = parts(law.rates[bin], factor);
      const wide = bin + 1 < law.edges.length ? law.edges[bin + 1] - edge : Infinity;
      const gone = total > 0 ? -Math.expm1(-total * wide) : 0;
      split.forEach((part, exit) => { taken[exit] += left * gone * part; });
      left *= 1 - gone;
    });
    return taken;
  }

  /** Return a bin's whole rate, and how leavers are split when odds are multiplied: leaving stays as it is. */
  function parts(rates, factor) {
    const total = rates.reduce((sum, rate) => sum + rate, 0);
    const weights = rates.map((rate, exit) => rate * factor[exit]);
    const sum = weights.reduce((one, other) => one + other, 0);
    return { total, split: sum > 0 ? weights.map(weight => weight / sum) : rates.map(rate => rate / (total || 1)) };
  }

  /** Return the factors on the odds under which the exits of a stage are taken with the chances wanted. */
  function factors(law, wanted) {
    let factor = wanted.map(chance => (chance > 0 ? 1 : 0));
    for (let round = 0; round < ROUNDS; round += 1) {
      const taken = incidence(law, factor);
      const next = factor.map((one, exit) => (taken[exit] > 0 ? (one * wanted[exit]) / taken[exit] : one));
      const most = Math.max(...next);
      factor = next.map(one => one / most);
    }
    return factor;
  }

  /** Return a stage ready to be lived in: cumulated hazard at each edge, and cumulated split in each bin. */
  function ready(law, wanted, stretch) {
    const factor = factors(law, wanted);
    const edges = law.edges.map(edge => edge * stretch);
    const bins = law.rates.map(rates => parts(rates, factor));
    const total = bins.map(bin => bin.total / stretch);
    const split = bins.map(bin => { let sum = 0; return bin.split.map(part => (sum += part)); });
    const hazard = [0];
    for (let bin = 0; bin + 1 < edges.length; bin += 1) hazard.push(hazard[bin] + total[bin] * (edges[bin + 1] - edges[bin]));
    return { edges, total, split, hazard };
  }

  /** Return after how many days, and by which exit, a lead leaves a stage. */
  function leave(stage, first, second) {
    const want = -Math.log(first);
    let low = 0;
    let high = stage.hazard.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (stage.hazard[middle] <= want) low = middle; else high = middle - 1;
    }
    if (!(stage.total[low] > 0)) return [Infinity, 0];
    const split = stage.split[low];
    let exit = 0;
    while (exit < split.length - 1 && second > split[exit]) exit += 1;
    return [stage.edges[low] + (want - stage.hazard[low]) / stage.total[low], exit];
  }

  /** Return the chances of a stage when one of them is set and the others share the rest as they did. */
  function shared(chances, exit, chance) {
    const others = 1 - chances[exit];
    return chances.map((one, number) => {
      if (number === exit) return chance;
      return others > 1e-9 ? (one * (1 - chance)) / others : (1 - chance) / (chances.length - 1);
    });
  }

  // Living ----------------------------------------------------------------------------------------

  /** Return empty lives: columns by lead, and columns by visit in the order of leads. */
  const nobody = () => ({
    channel: [], group: [], referred: [], old: [], first: [0],
    place: [], at: [], began: [], done: [], short: [],
  });

  /**
   * Return the lives of all leads that come within so many days.
   *
   * plan: {seed, each (leads that a dot stands for), days, chances [stage][exit], stretch [stage]}.
   */
  function live(given, plan) {
    const stages = given.laws.map((laws, group) => laws.map((law, stage) => {
      const stated = given.chances[group][stage];
      const moved = plan.chances[stage];
      const wanted = moved ? stated.map((_, exit) => moved[exit]) : stated;
      return ready(law, wanted, plan.stretch[stage] ?? 1);
    }));
    const lives = nobody();
    const born = [];
    given.entries.forEach((entry, way) => arrivals(entry, way, plan).forEach(at => born.push(at)));
    let next = 0;
    while (next < born.length && lives.place.length < MOST) {
      const one = born[next];
      next += 1;
      walk(given, plan, stages, lives, one, born);
    }
    lives.full = next < born.length;
    return lives;
  }

  /** Return the leads of one way in: a Poisson stream, its time run by the expected leads of each day. */
  function arrivals(entry, way, plan) {
    const found = [];
    const path = entry.leads;
    let need = 0;
    let sum = 0;
    let number = 0;
    for (let day = 0; day < plan.days; day += 1) {
      const leads = path[Math.min(day, path.length - 1)] / plan.each;
      while (true) {
        if (need <= 0) need = -Math.log(luck(plan.seed ^ 0x5bd1e995, way * WAYS + number, 0));
        if (sum + need > leads) { need -= leads - sum; sum = 0; break; }
        sum += need;
        need = 0;
        const at = day + sum / leads;
        if (at < plan.days) found.push({ id: way * WAYS + number, at, stage: entry.stage, group: entry.group, channel: entry.channel, referred: 0 });
        number += 1;
      }
    }
    return found;
  }

  /** Live one lead from its birth to its end, or to the last day. */
  function walk(given, plan, stages, lives, lead, born) {
    let place = lead.stage;
    let at = lead.at;
    let turn = 0;
    const start = lives.place.length;
    while (at <= plan.days && lives.place.length < MOST) {
      lives.place.push(place);
      lives.at.push(at);
      given.referrals.forEach((way, number) => {
        if (way.place === place) refer(given, plan, lead, way, number, at, turn, born);
      });
      if (place >= given.stages) break;
      const [days, exit] = leave(stages[lead.group][place], luck(plan.seed, lead.id, 2 * turn + 1), luck(plan.seed, lead.id, 2 * turn + 2));
      at += days;
      place = given.exits[place][exit];
      turn += 1;
    }
    lives.channel.push(lead.channel);
    lives.group.push(lead.group);
    lives.referred.push(lead.referred);
    lives.old.push(0);
    lives.short.push(lives.place.length - start <= 2 ? 1 : 0);
    lives.first.push(lives.place.length);
  }

  /** Let a lead bring others: a Poisson number, each after its delay. */
  function refer(given, plan, lead, way, number, at, turn, born) {
    const base = mix(lead.id ^ Math.imul(turn + 1, 0x85ebca6b) ^ Math.imul(number + 1, 0xc2b2ae35));
    let sum = -Math.log(luck(plan.seed, base, 0));
    for (let count = 1; sum < way.mean; count += 1) {
      const table = way.delay;
      const spot = luck(plan.seed, base, 3 * count) * (table.length - 1);
      const low = Math.floor(spot);
      const delay = table[low] + (spot - low) * ((table[low + 1] ?? table[low]) - table[low]);
      if (at + delay <= plan.days) {
        born.push({ id: mix(base + count), at: at + delay, stage: way.stage, group: lead.group, channel: way.channel, referred: number + 1 });
      }
      sum += -Math.log(luck(plan.seed, base, 3 * count + 1));
    }
  }

  // A run that was lived before ---------------------------------------------------------------------

  const KINDS = { f8: Float64Array, f4: Float32Array, u2: Uint16Array };
  function unpack({ type, base64 }) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
    return new KINDS[type](bytes.buffer);
  }

  /** Return the lives of a run that the page was handed. */
  function read(held) {
    const column = Object.fromEntries(Object.entries(held).map(([name, part]) => [name, Array.from(unpack(part))]));
    const lives = nobody();
    Object.assign(lives, { channel: column.channel, group: column.group, referred: column.referred, old: column.old });
    let row = 0;
    for (let lead = 0; lead < column.stage.length; lead += 1) {
      if (column.old[lead]) push(lives, column.stage[lead], 0, NaN, NaN);
      for (; row < column.who.length && column.who[row] === lead; row += 1) {
        push(lives, column.place[row], column.at[row], column.began[row], column.done[row]);
      }
      lives.short.push(0);
      lives.first.push(lives.place.length);
    }
    return lives;
  }
  function push(lives, place, at, began, done) {
    lives.place.push(place);
    lives.at.push(at);
    lives.began.push(began);
    lives.done.push(done);
  }

  // Counting --------------------------------------------------------------------------------------

  /** Return sorted times of coming and going by place, and of coming from outside by stage. */
  function tally(given, lives) {
    const came = given.places.map(() => []);
    const left = given.places.map(() => []);
    const fresh = given.places.map(() => []);
    for (let lead = 0; lead + 1 < lives.first.length; lead += 1) {
      for (let row = lives.first[lead]; row < lives.first[lead + 1]; row += 1) {
        came[lives.place[row]].push(lives.at[row]);
        if (row === lives.first[lead]) fresh[lives.place[row]].push(lives.at[row]);
        if (row + 1 < lives.first[lead + 1]) left[lives.place[row]].push(lives.at[row + 1]);
      }
    }
    const order = columns => columns.map(column => Float64Array.from(column).sort());
    return { came: order(came), left: order(left), fresh: order(fresh), late: late(given, lives, order) };
  }

  /** Return when leads became overdue in each stage, and when those left. */
  function late(given, lives, order) {
    const from = given.exits.map(() => []);
    const to = given.exits.map(() => []);
    for (let lead = 0; lead + 1 < lives.first.length; lead += 1) {
      for (let row = lives.first[lead]; row < lives.first[lead + 1]; row += 1) {
        const alert = given.alert[lives.place[row]];
        if (!alert) continue;
        const end = row + 1 < lives.first[lead + 1] ? lives.at[row + 1] : Infinity;
        if (end - lives.at[row] <= alert) continue;
        from[lives.place[row]].push(lives.at[row] + alert);
        to[lives.place[row]].push(end);
      }
    }
    return { from: order(from), to: order(to) };
  }

  /** Return how many of sorted times have come by a time. */
  function by(times, time) {
    let low = 0;
    let high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= time) low = middle + 1; else high = middle;
    }
    return low;
  }

  /**
   * Return, of visits to each stage that began some days before a time, how many, and how many left by each exit
   * within those days; `weigh` tells for how many leads a lead stands.
   */
  function cohorts(given, lives, time, days, weigh = () => 1) {
    const found = given.exits.map(exits => ({ visits: 0, seen: 0, taken: exits.map(() => 0) }));
    for (let lead = 0; lead + 1 < lives.first.length; lead += 1) {
      const weight = weigh(lead);
      for (let row = lives.first[lead]; row < lives.first[lead + 1]; row += 1) {
        const place = lives.place[row];
        if (place >= given.stages || lives.at[row] + days > time) continue;
        found[place].visits += weight;
        found[place].seen += 1;
        if (row + 1 < lives.first[lead + 1] && lives.at[row + 1] - lives.at[row] <= days) {
          found[place].taken[given.exits[place].indexOf(lives.place[row + 1])] += weight;
        }
      }
    }
    return found;
  }

  return { luck, incidence, factors, ready, leave, shared, live, read, tally, by, cohorts };
})();
