// The distribution of a period's money: weighted coins for open deals, compound Poisson for leads to come.
//
// The twin of funnelsim/forecasting/distribution.py: same grid, same formulas, same rule for quantiles. A
// lump is {amount (deals), chance (deals, draws), born (draws, groups), atoms (groups, atoms), spread,
// weight (draws), draws, groups, rough}; arrays are flat, the last index runs fastest. Rough serves a hand
// that drags, in half the time: fewer points and terms, whose error is a sixth of that of few draws.
const Distribution = (() => {
  "use strict";

  const POINTS = 4096; // as in distribution.py
  const ROUGH_POINTS = 2048;
  const MOST_GIANTS = 5;
  const FINER = 4; // as in distribution.py
  // The logarithm's series where q / (1 - q) is below: 50 terms leave .6 ^ 50 / 50 = 2e-13, and one transform
  // serves all such deals; a product over deals, as for the others, takes ten times as long.
  const MOST_RATIO = 0.6;
  const TAIL = 1e-12;
  const ROUGH_TAIL = 1e-6;
  const MOST_TERMS = 62;
  const GONE = -40; // e ^ -40 is below rounding
  const LEVELS = [
    0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.975, 0.99,
  ];
  const FUTURES = Array.from({ length: 20 }, (_, i) => (i + 0.5) / 20);

  /**
   * Return means by draw, what is told of the total, and the money expected of open deals and of new
   * leads.
   */
  function distributions(lump, target) {
    const sums = momentsOf(lump);
    const giants = giantsOf(lump, sums);
    const kept = without(lump, giants);
    const grid = gridOf(lump, sums, giants);
    const spectrum = spectrumOf(kept, grid);
    const total = told(mixed(lump, grid, spectrum, giants), sums.total, target);
    return { means: sums.means, total, open: sums.open.mean, fresh: sums.fresh.mean };
  }

  /** Return mean and variance of each draw, and mean, luck and parameter variance of each origin. */
  function momentsOf({ amount, chance, born, atoms, spread, weight, draws, groups }) {
    const openMean = new Float64Array(draws);
    const openLuck = new Float64Array(draws);
    const size = atoms.length / groups;
    const freshMean = new Float64Array(draws);
    const freshLuck = new Float64Array(draws);
    for (let i = 0; i < amount.length; i++)
      for (let d = 0; d < draws; d++) {
        const q = chance[i * draws + d];
        const x = amount[i];
        openMean[d] += q * x;
        openLuck[d] += q * (1 - q) * x * x;
      }
    for (let g = 0; g < groups; g++) {
      let one = 0;
      let two = 0;
      for (let i = 0; i < size; i++) {
        const x = atoms[g * size + i];
        one += x / size;
        two += (x * x) / size;
      }
      for (let d = 0; d < draws; d++) {
        freshMean[d] += born[d * groups + g] * one;
        freshLuck[d] += born[d * groups + g] * two;
      }
    }
    return summed({ openMean, openLuck, freshMean, freshLuck }, spread, weight);
  }

  function summed({ openMean, openLuck, freshMean, freshLuck }, spread, weight) {
    const mean = values => values.reduce((sum, x, d) => sum + weight[d] * x, 0);
    const add = (a, b) => a.map((x, d) => x + b[d]);
    const common = mean(freshMean.map(x => (spread * x) ** 2));
    const part = (m, v, c) => {
      const u = mean(m);
      return { mean: u, luck: mean(v), parameter: mean(m.map(x => (x - u) ** 2)) + c };
    };
    const means = add(openMean, freshMean);
    return {
      openMean,
      openLuck,
      freshMean,
      freshLuck,
      means,
      open: part(openMean, openLuck, 0),
      fresh: part(freshMean, freshLuck, common),
      total: part(means, add(openLuck, freshLuck), common),
    };
  }

  /** Return a lump without some of its deals. */
  function without(lump, gone) {
    if (!gone.length) return lump;
    const { draws, amount, chance } = lump;
    const kept = [...amount.keys()].filter(i => !gone.includes(i));
    const some = new Float64Array(kept.length * draws);
    kept.forEach((i, row) => some.set(chance.subarray(i * draws, (i + 1) * draws), row * draws));
    return { ...lump, amount: Float64Array.from(kept, i => amount[i]), chance: some };
  }

  /** Return which deals dwarf the rest: without them the grid would be four times as fine. */
  function giantsOf(lump, sums) {
    const order = [...lump.amount.keys()]
      .sort((a, b) => lump.amount[b] - lump.amount[a] || a - b)
      .slice(0, MOST_GIANTS);
    const { step } = gridOf(lump, sums, []);
    const giants = [];
    for (const deal of order) {
      giants.push(deal);
      if (step > FINER * gridOf(lump, sums, giants).step) return giants;
    }
    return [];
  }

  /** Return the moments of a draw's total money without some deals. */
  function less({ amount, chance, draws, weight, spread }, sums, gone) {
    if (!gone.length) return sums;
    const openMean = sums.openMean.slice();
    const openLuck = sums.openLuck.slice();
    for (const i of gone)
      for (let d = 0; d < draws; d++) {
        const q = chance[i * draws + d];
        const x = amount[i];
        openMean[d] -= q * x;
        openLuck[d] -= q * (1 - q) * x * x;
      }
    return summed({ ...sums, openMean, openLuck }, spread, weight);
  }

  /**
   * Return step and points: a step that divides all amounts where that needs few points, else one that
   * covers all.
   */
  function gridOf(lump, sums, gone) {
    const { amount, atoms, born, draws, groups, rough } = lump;
    const most = rough ? ROUGH_POINTS : POINTS;
    const { means, total } = less(lump, sums, gone);
    const size = atoms.length / groups;
    const used = [];
    const kept = gone.length ? amount.filter((_, i) => !gone.includes(i)) : amount;
    for (let g = 0; g < groups; g++) {
      let leads = 0;
      for (let d = 0; d < draws; d++) leads = Math.max(leads, born[d * groups + g]);
      if (leads > 1e-9) used.push(...atoms.subarray(g * size, (g + 1) * size));
    }
    let largest = 0;
    let unit = 0;
    let whole = true;
    let extreme = total.mean;
    for (const list of [kept, used])
      for (const x of list) {
        if (x > largest) largest = x;
        if (x > 0 && whole) {
          whole = x === Math.round(x);
          if (whole) unit = divisor(unit, x);
        }
      }
    for (const mean of means) if (mean > extreme) extreme = mean;
    const reach = extreme + 9 * Math.sqrt(total.luck + total.parameter) + largest;
    if (reach <= 0) return { step: 1, points: 2 };
    if (whole && unit > 0 && unit * (most - 1) >= reach)
      return { step: unit, points: 2 ** Math.ceil(Math.log2(reach / unit + 1)) };
    return { step: reach / (most - 1), points: most };
  }

  function divisor(a, b) {
    while (b) [a, b] = [b, a % b];
    return a;
  }

  function atomsOf(atoms, step, points) {
    const re = new Float64Array(points);
    const im = new Float64Array(points);
    for (const x of atoms) {
      const low = Math.floor(x / step + 1e-9);
      const part = Math.min(Math.max(x / step - low, 0), 1);
      re[low % points] += (1 - part) / atoms.length;
      re[(low + 1) % points] += part / atoms.length;
    }
    transform(points).run(re, im);
    return { re, im };
  }

  /** Return the characteristic function of a draw's money, (draws, frequencies). */
  function spectrumOf(lump, grid) {
    const likely = [];
    const found = transformed(logarithms(lump, grid, likely), lump.draws, grid.points);
    addBirths(lump, grid, found);
    exponentials(found);
    multiply(lump, grid, likely, found);
    return found;
  }

  /**
   * Return on the grid, (points, draws), the logarithm of prod(1 - q + q z): log(1 - q) + r z - r^2 z^2 / 2
   * + ..., r = q / (1 - q); an amount between two points is shared by both. Deals with a large r are put
   * aside in `likely`.
   */
  function logarithms({ amount, chance, draws, rough }, { step, points }, likely) {
    const least = rough ? ROUGH_TAIL : TAIL;
    const logs = new Float64Array(points * draws);
    const ratio = new Float64Array(draws);
    const power = new Float64Array(draws);
    const row = MOST_TERMS + 1;
    const share = new Float64Array(row * row);
    const mask = points - 1;
    share[0] = 1;
    for (let i = 0; i < amount.length; i++) {
      let most = 0;
      for (let d = 0; d < draws; d++) {
        const q = chance[i * draws + d];
        ratio[d] = q / (1 - q);
        if (!(ratio[d] <= most)) most = ratio[d];
      }
      if (!(most <= MOST_RATIO)) {
        likely.push(i);
        continue;
      }
      const low = Math.floor(amount[i] / step + 1e-9);
      const part = Math.max(amount[i] / step - low, 0);
      let terms = 1;
      for (let tail = most; tail / terms > least && terms < MOST_TERMS; terms++) tail *= most;
      for (let d = 0; d < draws; d++) {
        logs[d] -= Math.log1p(ratio[d]);
        power[d] = -1;
      }
      for (let n = 1; n <= terms; n++) {
        const own = n * row;
        const last = own - row;
        for (let d = 0; d < draws; d++) power[d] *= -ratio[d];
        for (let j = 0; j <= n; j++) {
          share[own + j] = (j < n ? (1 - part) * share[last + j] : 0) + (j ? part * share[last + j - 1] : 0);
          const times = share[own + j] / n;
          const at = ((n * low + j) & mask) * draws;
          if (times !== 0) for (let d = 0; d < draws; d++) logs[at + d] += power[d] * times;
        }
      }
    }
    return logs;
  }

  /** Return the transforms of real columns, (draws, frequencies), two draws in one complex transform. */
  function transformed(columns, draws, points) {
    const half = points / 2 + 1;
    const re = new Float64Array(draws * half);
    const im = new Float64Array(draws * half);
    const fourier = transform(points);
    const a = new Float64Array(points);
    const b = new Float64Array(points);
    for (let d = 0; d < draws; d += 2) {
      const other = Math.min(d + 1, draws - 1);
      for (let j = 0; j < points; j++) {
        a[j] = columns[j * draws + d];
        b[j] = columns[j * draws + other];
      }
      fourier.run(a, b);
      for (let j = 0; j < half; j++) {
        const back = (points - j) % points;
        re[d * half + j] = (a[j] + a[back]) / 2;
        im[d * half + j] = (b[j] - b[back]) / 2;
        if (other === d) continue;
        re[other * half + j] = (b[j] + b[back]) / 2;
        im[other * half + j] = (a[back] - a[j]) / 2;
      }
    }
    return { re, im };
  }

  /**
   * Add to logarithms, (draws, frequencies), those of the money of leads to come: compound Poisson, or
   * negative binomial with a spread. Where open deals leave nothing there is nothing to do.
   */
  function addBirths({ atoms, born, spread, draws, groups }, { step, points }, { re, im }) {
    const half = points / 2 + 1;
    const size = atoms.length / groups;
    const kinds = [];
    const shape = 1 / spread ** 2;
    for (let g = 0; g < groups; g++)
      kinds.push(atomsOf(atoms.subarray(g * size, (g + 1) * size), step, points));
    for (let d = 0; d < draws; d++)
      for (let j = 0, at = d * half; j < half; j++, at++) {
        if (re[at] <= GONE) continue;
        let x = 0;
        let y = 0;
        for (let g = 0; g < groups; g++) {
          x += born[d * groups + g] * (kinds[g].re[j] - 1);
          y += born[d * groups + g] * kinds[g].im[j];
        }
        if (spread > 0) {
          const a = 1 - x / shape;
          const b = -y / shape;
          x = (-shape / 2) * Math.log(a * a + b * b);
          y = -shape * Math.atan2(b, a);
        }
        re[at] += x;
        im[at] += y;
      }
  }

  /** Turn logarithms into what they are of, in place. */
  function exponentials({ re, im }) {
    for (let at = 0; at < re.length; at++) {
      const size = re[at] <= GONE ? 0 : Math.exp(re[at]);
      const turn = im[at];
      re[at] = size && size * Math.cos(turn);
      im[at] = size && size * Math.sin(turn);
    }
  }

  /** Multiply in the deals that are likely to win: 1 - q + q z, cosines looked up at j * low mod points. */
  function multiply({ amount, chance, draws }, { step, points }, likely, { re, im }) {
    const half = points / 2 + 1;
    const { cos, sin } = transform(points);
    const zr = new Float64Array(half);
    const zi = new Float64Array(half);
    for (const i of likely) {
      const low = Math.floor(amount[i] / step + 1e-9);
      const part = Math.max(amount[i] / step - low, 0);
      for (let j = 0, a = 0, b = 0; j < half; j++) {
        zr[j] = (1 - part) * cos[a] + part * cos[b] - 1;
        zi[j] = -(1 - part) * sin[a] - part * sin[b];
        a = (a + low) % points;
        b = (b + low + 1) % points;
      }
      for (let d = 0; d < draws; d++) {
        const q = chance[i * draws + d];
        for (let j = 0, at = d * half; j < half; j++, at++) {
          const u = re[at];
          const v = im[at];
          if (u === 0 && v === 0) continue;
          const x = 1 + q * zr[j];
          const y = q * zi[j];
          re[at] = u * x - v * y;
          im[at] = u * y + v * x;
        }
      }
    }
  }

  /**
   * Return money and its chances, mixed over draws and, where deals dwarf the rest, over which of them
   * win.
   */
  function mixed({ amount, chance, weight, draws }, { step, points }, spectrum, giants) {
    const half = points / 2 + 1;
    const parts = [];
    for (let wins = 0; wins < 2 ** giants.length; wins++) {
      let won = 0;
      let mass = 0;
      const re = new Float64Array(points);
      const im = new Float64Array(points);
      giants.forEach((i, bit) => {
        if ((wins >> bit) & 1) won += amount[i];
      });
      for (let d = 0; d < draws; d++) {
        let likely = weight[d];
        giants.forEach((i, bit) => {
          const q = chance[i * draws + d];
          likely *= (wins >> bit) & 1 ? q : 1 - q;
        });
        mass += likely;
        for (let j = 0, at = d * half; j < half; j++, at++) {
          re[j] += likely * spectrum.re[at];
          im[j] += likely * spectrum.im[at];
        }
      }
      if (mass > 0) parts.push({ won, mass, chance: inverted(re, im, points) });
    }
    return merged(parts, step);
  }

  /**
   * Return chances on the grid from half a spectrum: the transform of its conjugate, clipped, made to add
   * up to 1.
   */
  function inverted(re, im, points) {
    for (let j = 1; j < points / 2; j++) {
      re[points - j] = re[j];
      im[points - j] = im[j];
      im[j] = -im[j];
    }
    im[0] = im[points / 2] = 0;
    transform(points).run(re, im);
    let sum = 0;
    for (let j = 0; j < points; j++) {
      re[j] = Math.max(re[j], 0);
      sum += re[j];
    }
    return re.map(x => x / sum);
  }

  function merged(parts, step) {
    if (parts.length === 1) {
      const [{ won, chance }] = parts;
      return { money: chance.map((_, j) => j * step + won), chance };
    }
    const all = parts.flatMap(({ won, mass, chance }) =>
      Array.from(chance, (x, j) => [j * step + won, mass * x]),
    );
    all.sort((a, b) => a[0] - b[0]);
    const sum = all.reduce((total, pair) => total + pair[1], 0);
    return {
      money: Float64Array.from(all, pair => pair[0]),
      chance: Float64Array.from(all, pair => pair[1] / sum),
    };
  }

  /**
   * Return mean, widths, quantiles (the smallest money stayed below with each chance) and the chance of a
   * target.
   */
  function told({ money, chance }, { mean, luck, parameter }, target) {
    const last = money.length - 1;
    const tolerance = (1e-6 * (money[last] - money[0])) / money.length;
    const run = new Float64Array(money.length);
    let sum = 0;
    let reach = 0;
    for (let j = 0; j <= last; j++) {
      run[j] = sum += chance[j];
      if (money[j] >= target - tolerance) reach += chance[j];
    }
    const at = level => money[Math.min(below(run, level - 1e-12), last)];
    return {
      mean,
      sd: Math.sqrt(luck + parameter),
      luck: Math.sqrt(luck),
      quantile: LEVELS.map(at),
      futures: FUTURES.map(at),
      reach: Number.isNaN(target) ? NaN : Math.min(Math.max(reach, 0), 1),
      grid: money[1] - money[0],
    };
  }

  /** Return the first index whose value is not below a level. */
  function below(run, level) {
    let low = 0;
    let high = run.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (run[middle] < level) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Return the fast Fourier transform of a size, decimation in time, with its tables; made once. */
  const transforms = new Map();
  function transform(points) {
    if (!transforms.has(points)) transforms.set(points, fourier(points));
    return transforms.get(points);
  }

  function fourier(points) {
    const cos = new Float64Array(points);
    const sin = new Float64Array(points);
    const back = new Uint16Array(points);
    const bits = Math.log2(points);
    for (let i = 0; i < points; i++) {
      cos[i] = Math.cos((2 * Math.PI * i) / points);
      sin[i] = Math.sin((2 * Math.PI * i) / points);
      for (let b = 0; b < bits; b++) if ((i >> b) & 1) back[i] |= 1 << (bits - 1 - b);
    }
    function run(re, im) {
      for (let i = 0; i < points; i++) {
        const j = back[i];
        if (j > i) {
          const x = re[i];
          const y = im[i];
          re[i] = re[j];
          im[i] = im[j];
          re[j] = x;
          im[j] = y;
        }
      }
      for (let size = 2; size <= points; size <<= 1) {
        const half = size >> 1;
        const stride = points / size;
        for (let begin = 0; begin < points; begin += size) {
          for (let k = 0, i = begin, j = begin + half, at = 0; k < half; k++, i++, j++, at += stride) {
            const x = re[j] * cos[at] + im[j] * sin[at];
            const y = im[j] * cos[at] - re[j] * sin[at];
            re[j] = re[i] - x;
            im[j] = im[i] - y;
            re[i] += x;
            im[i] += y;
          }
        }
      }
    }
    return { cos, sin, run };
  }

  return { distributions };
})();
