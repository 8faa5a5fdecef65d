// The page of moving lives: joins lives, film and stage; draws, plays, and answers sliders and keys.
(() => {
  "use strict";

  const HUES = ["#0b5c8f", "#d9762b", "#2a8f82", "#8a5aa8", "#b8952a", "#c0506f", "#6f7b86", "#55606b"];
  const INK = "#16202a", QUIET = "#55606b", HAIR = "#dde2e6", BODY = "#f0f5f9", FLOW = "#d3e3ee", BACK = "#f6e2d3", GOAL = "#a8430a", LOSS = "#e08a50", LATE = "#8c1d18";
  const FLIGHT = 0.75; // seconds that a dot is on its way
  const SHOW = 60; // seconds in which the whole time passes at the speed of the beginning
  const NICE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
  const ROOM = 240; // dots in the fullest stage: more is a crowd in which nobody is followed
  const SHORT = 6000; // dots of those who leave at once: more only flicker
  const NARROW = "\u202f", MINUS = "\u2212";
  const FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif";

  const given = JSON.parse(document.getElementById("data").textContent).contract;
  const played = Boolean(given.why);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const dom = (tag, more = {}, ...inside) => {
    const made = Object.assign(document.createElement(tag), more);
    made.append(...inside);
    return made;
  };
  const count = number => Math.round(number).toLocaleString("en-US");
  const share = part => {
    if (part > 0 && part < 0.005) return `under 1${NARROW}%`;
    if (part < 1 && part > 0.995) return `over 99${NARROW}%`;
    return `${Math.round(100 * part)}${NARROW}%`;
  };
  const money = amount => {
    const text = amount >= 1e6 ? `${(amount / 1e6).toFixed(2)}${NARROW}M` : amount >= 1e3 ? `${Math.round(amount / 1e3)}${NARROW}k` : `${Math.round(amount)}`;
    return given.currency ? `${text} ${given.currency}` : text;
  };
  const span = days => {
    const units = [[1 / 1440, "min"], [1 / 24, "h"], [1, "days"]];
    const [unit, name] = units.filter(([one]) => days >= one).pop() ?? units[0];
    const number = days / unit;
    return `${number >= 10 ? Math.round(number) : Number(number.toPrecision(2))}${NARROW}${name === "days" && number.toPrecision(2) === "1.0" ? "day" : name}`;
  };
  const dated = time => {
    const date = new Date(Date.parse(`${given.asOf}T00:00:00Z`) + Math.floor(time) * 864e5);
    return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  };

  const roles = Stage.roles(given);
  const plan = { seed: 1, each: 1, days: given.days, chances: given.exits.map(() => null), stretch: given.exits.map(() => 1) };
  const state = { time: 0, playing: !calm, speed: given.days / SHOW, even: given.days / SHOW, colour: "channel", thin: 1, moved: false };
  const made = {}; // lives, tally, reel, plan of the stage, base (what would be without sliders)

  // Working out --------------------------------------------------------------------------------------

  /** Choose of how many leads a dot stands for one, by a first life with dots of many leads. */
  function choose() {
    if (played) { plan.each = given.each; state.thin = given.thin; return; }
    const total = given.entries.reduce((sum, entry) => sum + (entry.leads.length > 1 ? entry.leads.reduce((one, other) => one + other, 0) : entry.leads[0] * given.days), 0);
    plan.each = NICE.find(one => total / one <= 12000) ?? NICE[NICE.length - 1];
    const lives = Lives.live(given, plan);
    const { came, left } = Lives.tally(given, lives);
    let most = 1;
    for (let stage = 0; stage < given.stages; stage += 1) {
      for (let part = 1; part <= 40; part += 1) {
        const time = (given.days * part) / 40;
        most = Math.max(most, Lives.by(came[stage], time) - Lives.by(left[stage], time));
      }
    }
    const long = lives.short.filter(one => !one).length;
    const fullest = most * plan.each;
    const lasting = long * plan.each;
    plan.each = NICE.find(one => fullest / one <= ROOM && lasting / one <= 9000) ?? NICE[NICE.length - 1];
    const short = total - lasting;
    state.thin = NICE.find(one => short / plan.each / one <= SHORT) ?? NICE[NICE.length - 1];
  }

  function live() {
    made.lives = played ? (made.lives ?? Lives.read(given.lives)) : Lives.live(given, plan);
    made.tally = Lives.tally(given, made.lives);
    made.weigh = lead => (played && given.thin > 1 && !made.lives.old[lead] && made.lives.first[lead + 1] - made.lives.first[lead] <= 2 ? given.thin : 1);
    if (!state.moved) made.base = made.tally;
    shoot();
  }

  function shoot() {
    const lives = made.lives;
    const kept = state.thin > 1 && !played ? lead => !lives.short[lead] || Lives.luck(7, lead, 0) < 1 / state.thin : null;
    made.flight = Math.max(state.speed, given.days / SHOW / 20) * FLIGHT;
    made.reel = Film.scenes(given, lives, made.flight, kept);
    made.read = Film.reader(made.reel);
    flows();
    measure();
  }

  /** Return days a second at which a usual stay is seen for about two seconds, the whole in one to three minutes. */
  function usual() {
    const stays = given.exits.map(() => []);
    const lives = made.lives;
    for (let lead = 0; lead + 1 < lives.first.length; lead += 1) {
      for (let row = lives.first[lead] + 1; row < lives.first[lead + 1]; row += 1) stays[lives.place[row - 1]].push(lives.at[row] - lives.at[row - 1]);
    }
    const middles = stays.filter(list => list.length).map(list => Math.log(list.sort((one, other) => one - other)[list.length >> 1] + 1e-6));
    const even = Math.exp(middles.reduce((sum, one) => sum + one, 0) / Math.max(middles.length, 1)) / 2;
    return Math.min(Math.max(even, given.days / 180), given.days / SHOW);
  }

  /** Count moves between places, and leads that come in by stage and channel, over the whole time. */
  function flows() {
    const lives = made.lives;
    const moves = new Map();
    const ways = given.places.map(() => new Map());
    for (let lead = 0; lead + 1 < lives.first.length; lead += 1) {
      const first = lives.first[lead];
      const weight = plan.each * made.weigh(lead);
      const channel = ways[lives.place[first]];
      if (!lives.old[lead] && !lives.referred[lead]) channel.set(lives.channel[lead], (channel.get(lives.channel[lead]) ?? 0) + weight);
      if (lives.referred[lead]) moves.set(`r${lives.place[first]}`, (moves.get(`r${lives.place[first]}`) ?? 0) + weight);
      for (let row = first + 1; row < lives.first[lead + 1]; row += 1) {
        const key = `${lives.place[row - 1]}>${lives.place[row]}`;
        moves.set(key, (moves.get(key) ?? 0) + weight);
      }
    }
    made.moves = moves;
    made.ways = ways.map(way => [...way].sort((one, other) => other[1] - one[1]));
  }

  /** Return how many are in a place and have come to it at a time. */
  function counted(place, time, tally = made.tally) {
    if (!played) {
      const came = Lives.by(tally.came[place], time);
      return { here: (came - Lives.by(tally.left[place], time)) * plan.each, came: came * plan.each };
    }
    return { here: given.present[place][moment(time)], came: given.entered[place][moment(time)] };
  }

  /** Return the last moment at which a played run was counted. */
  const moment = (time = state.time) => Math.max(Lives.by(given.moments, time + 1e-9) - 1, 0);

  // Drawing ------------------------------------------------------------------------------------------

  const canvas = dom("canvas", { className: "stage" });
  canvas.setAttribute("role", "img");
  const still = document.createElement("canvas");
  const sprites = new Map();

  function measure() {
    const width = Math.max(300, Math.round(canvas.parentElement?.clientWidth || 1168));
    made.plan = Stage.layout({ ...given, brings: [...made.moves.keys()].some(key => key[0] === "r") }, width, made.reel.fullest, made.ways);
    const dense = Math.min(window.devicePixelRatio || 1, 2);
    for (const one of [canvas, still]) {
      one.width = Math.round(width * dense);
      one.height = Math.round(made.plan.height * dense);
      one.getContext("2d").setTransform(dense, 0, 0, dense, 0, 0);
    }
    canvas.style.height = `${made.plan.height}px`;
    scenery();
    paint();
  }

  /** Draw what stands still: flows, floors, names, channels. */
  function scenery() {
    const c = still.getContext("2d");
    const { plan: set } = made;
    c.clearRect(0, 0, set.width, set.height);
    c.lineCap = "round";
    set.boxes.forEach((box, place) => box && floor(c, box, place));
    if (!set.narrow) ribbons(c);
    set.boxes.forEach((box, place) => box && heading(c, given.places[place], box, place));
    if (!set.narrow) entries(c);
  }

  const thick = leads => {
    const most = Math.max(...made.ways.map(way => way.reduce((sum, [, number]) => sum + number, 0)), 1);
    return leads > 0 ? Math.max(1.5, Math.min(26, 22 * Math.sqrt(leads / most))) : 0;
  };

  function ribbons(c) {
    const { plan: set } = made;
    const line = (colour, wide, draw) => { c.strokeStyle = colour; c.lineWidth = wide; c.beginPath(); draw(); c.stroke(); };
    set.boxes.forEach((box, place) => {
      if (!box) return;
      const came = made.ways[place].reduce((sum, [, number]) => sum + number, 0);
      if (came && !box.flat) line(FLOW, Math.min(thick(came), 14), () => { c.moveTo(Stage.inlet(box), box.top); c.lineTo(Stage.inlet(box), box.y); });
      const exits = given.exits[place] ?? [];
      let lost = 0;
      exits.forEach(to => {
        const wide = thick(made.moves.get(`${place}>${to}`) ?? 0);
        if (roles[to] === "lost") { lost += made.moves.get(`${place}>${to}`) ?? 0; return; }
        const other = set.boxes[to];
        if (!wide || !other) return;
        const beside = roles[to] === "side" || roles[place] === "side";
        if (beside) {
          const [high, low] = roles[to] === "side" ? [box, other] : [other, box];
          const [x, down] = roles[to] === "side" ? [high.x + high.w * 0.72, low.x + low.w * 0.72] : [high.x + high.w * 0.3, low.x + low.w * 0.3];
          const away = roles[to] === "side" ? FLOW : BACK;
          line(away, wide, () => { c.moveTo(x, high.y + high.h); c.bezierCurveTo(x, high.y + high.h + 45, down, low.head - 20, down, low.y); });
        } else if (to < place) {
          const y = Math.max(box.y + box.h, other.y + other.h);
          line(BACK, wide, () => { c.moveTo(box.x + box.w * 0.5, y); c.bezierCurveTo(box.x + box.w * 0.5, y + 52, other.x + other.w * 0.5, y + 52, other.x + other.w * 0.5, y); });
        } else {
          const near = other.x - box.x - box.w <= box.gap + 1;
          const [y, high] = [box.y + box.h / 2, other.y + other.h * 0.3];
          if (near) { band(c, box.x + box.w, other.x, y, Math.max(wide * 2.2, 8)); return; }
          line(FLOW, Math.min(wide, 8), () => { c.moveTo(box.x + box.w, y); c.bezierCurveTo(box.x + box.w + 40, high, other.x - 60, high, other.x, high); });
        }
      });
      if (lost) line("#eceeef", Math.min(thick(lost), 12), () => {
        const x = Stage.gutter(box);
        const y = box.y + box.h;
        c.moveTo(x, y - box.h * 0.18); c.lineTo(x, y + (box.flat ? 8 : 26));
      });
    });
    const brought = [...made.moves].filter(([key]) => key[0] === "r");
    brought.forEach(([key, number]) => {
      const to = set.boxes[Number(key.slice(1))];
      const from = bringers().map(place => set.boxes[place]).filter(Boolean)[0];
      if (!to || !from) return;
      c.setLineDash([1, 7]);
      line("#8fb4cc", Math.max(2, Math.min(thick(number), 4)), () => {
        c.moveTo(Stage.gutter(from), from.y + 8); c.lineTo(Stage.gutter(from), set.band); c.lineTo(Stage.inlet(to), set.band); c.lineTo(Stage.inlet(to), to.top);
      });
      c.setLineDash([]);
      text(c, `brought by customers: ${rate(number)}`, Math.max(Stage.inlet(to) + 12, Stage.gutter(from) - 320), set.band - 8, 11.5, QUIET, "left", 300);
    });
  }

  /** Draw the way from one place to the next: a band as wide as its flow, with a point. */
  function band(c, from, to, y, wide) {
    const tip = Math.min(9, (to - from) / 3);
    c.fillStyle = FLOW;
    c.beginPath();
    c.moveTo(from, y - wide / 2); c.lineTo(to - tip, y - wide / 2); c.lineTo(to - 1, y); c.lineTo(to - tip, y + wide / 2); c.lineTo(from, y + wide / 2);
    c.closePath(); c.fill();
  }

  const bringers = () => given.referrals?.length ? [...new Set(given.referrals.map(one => one.place))] : given.wins;

  function floor(c, box, place) {
    const good = roles[place] === "good";
    c.fillStyle = good ? "#e2eef6" : box.flat ? "#f7f5f2" : BODY;
    if (box.mouth) {
      const middle = box.y + box.h / 2;
      c.beginPath();
      c.moveTo(box.x, middle - box.mouth / 2); c.lineTo(box.x + box.w, box.y);
      c.lineTo(box.x + box.w, box.y + box.h); c.lineTo(box.x, middle + box.mouth / 2);
      c.closePath(); c.fill();
    } else c.fillRect(box.x, box.y, box.w, box.h);
    if (good) { c.fillStyle = "#0b5c8f"; c.fillRect(box.x, box.y + box.h - 1, box.w, 2); }
    const team = teamOf(place);
    if (!team) return;
    const line = made.plan.zones[Stage.zone(given, place, Stage.LINE)];
    const desk = made.plan.zones[Stage.zone(given, place, Stage.DESK)];
    c.fillStyle = "#fdf3ea"; c.fillRect(line.x + 1, line.y, line.w - 2, line.h);
    c.fillStyle = "#eef4f8"; c.fillRect(desk.x + 1, desk.y, desk.w - 2, desk.h);
    c.strokeStyle = HAIR; c.beginPath(); c.moveTo(desk.x, desk.y + desk.h + 2.5); c.lineTo(desk.x + desk.w, desk.y + desk.h + 2.5); c.stroke();
  }

  const teamOf = place => (given.teams ?? []).find(team => team.stages.includes(place));

  function text(c, words, x, y, size, colour = INK, align = "left", most = 0, bold = false) {
    c.font = `${bold ? "700 " : ""}${size}px ${FONT}`;
    c.fillStyle = colour;
    c.textAlign = align;
    let shown = words;
    if (most && c.measureText(shown).width > most) {
      while (shown.length > 1 && c.measureText(`${shown}…`).width > most) shown = shown.slice(0, -1);
      shown = `${shown}…`;
    }
    c.fillText(shown, x, y);
  }

  /** Draw a name over its place, on two lines where one is too short. */
  function heading(c, name, box, place) {
    const x = box.flat || made.plan.narrow ? box.x : box.x + 18;
    const room = made.plan.narrow ? box.w * 0.6 : box.w + box.gap * 0.6 - (x - box.x);
    c.font = `700 13.5px ${FONT}`;
    const lines = [];
    name.split(" ").forEach(word => {
      const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
      if (lines.length && c.measureText(longer).width <= room) lines[lines.length - 1] = longer;
      else lines.push(word);
    });
    if (made.plan.narrow) { text(c, name, x, box.head + 14, 14, INK, "left", room, true); return; }
    if (box.flat) { text(c, name, x, box.head + 14, 13.5, INK, "left", 0, true); return; }
    lines.slice(0, 2).forEach((words, number) => text(c, words, x, box.head + 13 + 15 * number, 13.5, INK, "left", room, true));
    box.lines = Math.min(lines.length, 2);
  }

  const rate = leads => {
    const week = (leads / given.days) * 7;
    const day = leads / given.days;
    if (week < 1) return `${Number((leads / given.days * 30.44).toPrecision(2))} a month`;
    return day >= 20 ? `${count(day)} a day` : `${week >= 10 ? count(week) : Number(week.toPrecision(2))} a week`;
  };

  function entries(c) {
    made.plan.boxes.forEach((box, place) => {
      if (!box || !made.ways[place].length) return;
      const list = made.ways[place];
      const shown = list.length > 3 ? [...list.slice(0, 2), [-1, list.slice(2).reduce((sum, [, number]) => sum + number, 0)]] : list;
      shown.forEach(([channel, number], row) => {
        const name = channel < 0 ? "others" : given.channels[channel] || "no channel";
        if (box.flat && row) return;
        c.font = `700 13.5px ${FONT}`;
        const [x, y] = box.flat ? [box.x + c.measureText(given.places[place]).width + 16, box.head + 14] : [box.x + 18, box.top - 15 * shown.length + 15 * row + 9];
        const hue = state.colour === "channel" && channel >= 0 ? HUES[channel % HUES.length] : QUIET;
        c.fillStyle = hue; c.beginPath(); c.arc(x + 3, y - 4, 3, 0, 7); c.fill();
        text(c, `${name} ${rate(number)}`, x + 11, y, 11, QUIET, "left", box.flat ? box.w - 190 : box.w + box.gap - 30);
      });
    });
  }

  /** Return a picture of a dot: plain, ringed (overdue), with a rep, or come back. */
  function sprite(hue, style) {
    const key = hue + style;
    if (sprites.has(key)) return sprites.get(key);
    const one = document.createElement("canvas");
    one.width = one.height = 48;
    const c = one.getContext("2d");
    const disc = (radius, colour) => { c.fillStyle = colour; c.beginPath(); c.arc(24, 24, radius, 0, 7); c.fill(); };
    if (style === "late") { disc(16.5, LATE); disc(12, hue); }
    else if (style === "back") { disc(23, LOSS); disc(16, "#fff"); disc(13, hue); }
    else if (style === "brought") { disc(22, "#8fb4cc"); disc(17, "#fff"); disc(13, hue); }
    else if (style === "rep") { disc(16, INK); disc(12, hue); }
    else if (style === "faint") disc(12, `${hue}8c`);
    else disc(13, hue);
    sprites.set(key, one);
    return one;
  }

  const ease = part => (part < 0.5 ? 4 * part ** 3 : 1 - (2 - 2 * part) ** 3 / 2);

  /** Return where a scene's dot is at a time: x, y, how solid, and the part of its way. */
  function place(scene, time) {
    const { boxes, zones } = made.plan;
    const part = scene.kind === "there" ? 1 : (time - scene.start) / made.flight;
    const hall = zones[scene.zone];
    const end = hall ? Stage.spot(hall, scene.seat) : null;
    if (part >= 1 && end) return [end[0], end[1], 1, 1, hall.pitch];
    const before = scene.before && zones[scene.before.zone];
    const start = before ? Stage.spot(before, scene.before.seat) : end;
    const from = scene.from >= 0 ? boxes[scene.from] : boxes[bringers()[0]] ?? boxes[scene.place];
    const way = Stage.way(made.plan, scene.kind, from, boxes[scene.place], start, end);
    const step = Math.max(0, Math.min(1, part));
    const [x, y] = Stage.along(way, scene.kind === "birth" ? 1 - (1 - step) ** 2 : ease(step));
    return [x, y, scene.zone < 0 ? 1 - step ** 2 : 1, step, hall ? hall.pitch : before ? before.pitch : 8];
  }

  function style(scene, time, step) {
    if (step < 1 && (scene.kind === "return" || scene.kind === "back")) return "back";
    if (step < 1 && scene.kind === "referral") return "brought";
    if (scene.zone % 3 === Stage.DESK && scene.place < given.stages) return "rep";
    const alert = given.alert[scene.place];
    if (scene.place < given.stages && alert && time - scene.since > alert && time < scene.until) return "late";
    return roles[scene.place] === "side" ? "faint" : "plain";
  }

  function paint() {
    const began = performance.now();
    const c = canvas.getContext("2d");
    const { plan: set, lives } = made;
    const time = state.time;
    c.clearRect(0, 0, set.width, set.height);
    c.drawImage(still, 0, 0, set.width, set.height);
    const flying = [];
    made.spots = [];
    made.read(time).forEach(scene => {
      const hue = HUES[(state.colour === "channel" ? lives.channel : lives.group)[scene.lead] % HUES.length];
      const [x, y, solid, step, pitch] = place(scene, time);
      const look = style(scene, time, step);
      if (step < 1) { flying.push([x, y, solid, hue, look, pitch]); return; }
      let alpha = 1;
      if (scene.place >= given.stages) alpha = Math.max(0, Math.min(1, (scene.end - time) / (scene.end - scene.start) * 1.6));
      dot(c, x, y, alpha, hue, look, pitch);
    });
    flying.forEach(([x, y, solid, hue, look, pitch]) => dot(c, x, y, solid, hue, look, Math.max(pitch, 8) * 1.08));
    labels(c);
    made.spent = performance.now() - began;
  }

  function dot(c, x, y, alpha, hue, look, pitch) {
    const size = pitch * 1.48;
    c.globalAlpha = alpha;
    c.drawImage(sprite(hue, look), x - size / 2, y - size / 2, size, size);
    c.globalAlpha = 1;
    made.spots.push([x, y]);
  }

  /** Draw the numbers that change: how many are where, wait, are overdue, were lost. */
  function labels(c) {
    const { plan: set } = made;
    made.shown = given.places.map((_, place) => counted(place, state.time));
    set.boxes.forEach((box, place) => {
      if (!box) return;
      const { here, came } = made.shown[place];
      const good = roles[place] === "good";
      const number = good ? came : here;
      const { from, to } = made.tally.late;
      const over = place < given.stages ? (Lives.by(from[place], state.time) - Lives.by(to[place], state.time)) * plan.each : 0;
      const warn = over ? `${count(over)} for over ${span(given.alert[place])}` : "";
      const lost = (given.exits[place] ?? []).filter(to => roles[to] === "lost");
      if (set.narrow) {
        text(c, count(number), box.x + box.w, box.head + 14, 16, good ? "#0b5c8f" : INK, "right", 0, true);
        const ways = made.ways[place].slice(0, 2).map(([channel]) => given.channels[channel] || "no channel").join(", ");
        const line = warn || (ways && `from ${ways}`) || (roles[place] === "side" ? "beside the way" : good ? "in all" : "");
        text(c, line, box.x, box.head + 31, 11.5, warn ? GOAL : QUIET, "left", box.w * 0.62);
        if (lost.length) text(c, lost.map(to => given.places[to].toLowerCase()).join(", ") + " \u2192", box.x + box.w, box.head + 31, 11.5, QUIET, "right");
      } else if (box.flat) {
        text(c, count(number), box.x + box.w, box.head + 16, 18, INK, "right", 0, true);
        if (warn) text(c, warn, box.x, box.y + box.h + 15, 11.5, GOAL);
      } else {
        const y = box.head + 22 + 15 * (box.lines ?? 1);
        text(c, count(number), box.x + 18, y + 2, 20, good ? "#0b5c8f" : INK, "left", 0, true);
        const wide = c.measureText(count(number)).width;
        if (good) text(c, "so far", box.x + 24 + wide, y + 1, 11.5, QUIET);
        if (warn) text(c, warn, box.x + 24 + wide, y + 1, 11.5, GOAL, "left", box.w + box.gap - 30 - wide);
        if (lost.length) text(c, lost.map(to => given.places[to].toLowerCase()).join(", "), box.x + box.w + box.gap * 0.2, box.y + box.h + 17, 11.5, QUIET, "right");
      }
      const team = teamOf(place);
      if (team) queue(c, team, place);
    });
  }

  function queue(c, team, place) {
    const now = moment();
    const waits = `${count(team.waiting[place][now])} wait for a rep`;
    const line = made.plan.zones[Stage.zone(given, place, Stage.LINE)];
    const desk = made.plan.zones[Stage.zone(given, place, Stage.DESK)];
    if (made.plan.narrow) { text(c, waits, line.x + line.w - 4, line.y + 11, 11, GOAL, "right", line.w - 8); return; }
    text(c, waits, line.x + 5, line.y + 12, 11, GOAL, "left", line.w - 8);
    text(c, `${Math.min(team.busy[now], team.size[now])} of ${team.size[now]} busy`, desk.x + desk.w - 4, desk.y + 12, 11, QUIET, "right", desk.w - 8);
  }

  // Controls -----------------------------------------------------------------------------------------

  const play = dom("button", { className: "play", type: "button" });
  const again = dom("button", { type: "button", textContent: "From the start" });
  const other = dom("button", { type: "button", textContent: "Other luck" });
  const pace = dom("input", { type: "range", min: -20, max: 20, step: 1, value: 0, id: "pace" });
  const clock = dom("input", { type: "range", min: 0, max: 1000, step: 1, value: 0, id: "clock" });
  const paced = dom("output"), clocked = dom("output", { className: "day" });
  const figures = dom("div", { className: "figures" });
  const sentence = dom("h1");
  const legend = dom("div", { className: "legend" });
  const body = dom("tbody");
  const notes = dom("p", { className: "note" });

  function turn(on) {
    state.playing = on;
    play.textContent = on ? "Pause" : "Play";
    play.setAttribute("aria-pressed", String(on));
  }

  function jump(time) {
    state.time = Math.max(0, Math.min(given.days, time));
    told();
    paint();
  }

  let slow = 0;
  function faster(step) {
    state.speed = state.even * 10 ** (step / 20);
    paced.textContent = `${span(state.speed)} a second`;
    clearTimeout(slow);
    slow = setTimeout(() => { shoot(); explain(); }, 120);
  }

  /** Say in words and figures what is seen now. */
  function told() {
    const { time } = state;
    clock.value = Math.round((1000 * time) / given.days);
    clocked.textContent = `day ${count(Math.floor(time))} · ${dated(time)}`;
    clock.setAttribute("aria-valuetext", clocked.textContent);
    const sums = tally => given.places.map((_, place) => counted(place, time, tally));
    const all = sums(made.tally), base = state.moved ? sums(made.base) : null;
    const pick = (list, wanted, name) => wanted.reduce((sum, place) => sum + list[place][name], 0);
    const inside = list => pick(list, given.exits.map((_, stage) => stage), "here");
    const goals = given.wins.length ? given.wins : given.handed;
    const ended = given.places.map((_, place) => place).filter(place => roles[place] === "lost");
    const outside = list => inside(list) + pick(list, given.places.map((_, place) => place).slice(given.stages), "came");
    const rows = [
      ["have come", list => outside(list), count],
      ["inside now", inside, count],
      [given.wins.length ? "wins" : "handed over, no wins", list => pick(list, goals, "came"), count],
      ["gone", list => pick(list, ended, "came"), count],
    ];
    if (given.wins.length) rows.push(["revenue", list => given.places.reduce((sum, _, place) => sum + given.booked[place] * list[place].came, 0), money]);
    figures.replaceChildren(...rows.map(([name, number, say]) => dom("div", {},
      dom("span", { className: "label", textContent: name }), dom("b", { textContent: say(number(all)) }),
      dom("span", { className: "label", textContent: base ? `as stated ${say(number(base))}` : "" }))));
    sentence.textContent = `Day ${count(Math.floor(time))}: ${count(inside(all))} leads inside, ${count(pick(all, goals, "came"))} ${given.wins.length ? "wins" : "handed over"} so far`;
    canvas.setAttribute("aria-label", `${given.name}. ${sentence.textContent}. The table below tells the same.`);
    table(all);
  }

  let cohort = 0;
  /** Fill the table: who came, who is there, and where those went who came long enough ago. */
  function table(all) {
    if (performance.now() - cohort < 240 && state.playing) return;
    cohort = performance.now();
    const horizon = Math.min(given.horizon, given.days / 3);
    const found = Lives.cohorts(given, made.lives, state.time, horizon, made.weigh);
    body.replaceChildren(...given.exits.map((exits, stage) => {
      const fresh = played ? given.fresh[stage][moment()] : Lives.by(made.tally.fresh[stage], state.time) * plan.each;
      const { visits, seen, taken } = found[stage];
      const went = exits.map((to, exit) => `${given.places[to]} ${seen >= 20 ? share(taken[exit] / visits) : "–"}`).join(" · ");
      const cells = [count(all[stage].came), count(fresh), count(all[stage].here), went];
      return dom("tr", {}, dom("th", { className: "word", scope: "row", textContent: given.places[stage] }),
        ...cells.map((words, number) => dom("td", { className: number === 3 ? "word went" : "", textContent: words })));
    }));
  }

  /** Return the sliders of a stage: its time, and the chance of each exit. */
  function sliders(stage) {
    const box = dom("fieldset", {}, dom("legend", { textContent: given.places[stage] }));
    const law = given.laws[0][stage];
    const middle = median(law);
    const rows = [];
    const line = (id, name, most, least, step, value, say, change) => {
      const slider = dom("input", { type: "range", id, min: least, max: most, step, value });
      const output = dom("output");
      const show = () => { output.textContent = say(Number(slider.value)); slider.setAttribute("aria-valuetext", output.textContent); };
      slider.oninput = () => { change(Number(slider.value)); show(); };
      box.append(dom("div", { className: "line" }, dom("label", { htmlFor: id, textContent: name }), slider, output));
      show();
      return { slider, output, show };
    };
    const time = line(`t${stage}`, "half leave within", 20, -20, 1, 0, step => span(middle * 10 ** (step / 20)), step => {
      plan.stretch[stage] = 10 ** (step / 20);
      time.output.classList.toggle("moved", step !== 0);
      change();
    });
    if (given.exits[stage].length > 1) {
      given.exits[stage].forEach((to, exit) => {
        const now = () => plan.chances[stage] ?? given.chances[0][stage];
        rows.push(line(`c${stage}-${exit}`, `\u2192\u00a0${given.places[to]}`, 100, 0, 1, 100 * now()[exit], number => share(number / 100), number => {
          plan.chances[stage] = Lives.shared(now(), exit, number / 100);
          rows.forEach((row, one) => {
            if (one !== exit) { row.slider.value = 100 * plan.chances[stage][one]; row.show(); }
            row.output.classList.toggle("moved", Math.abs(plan.chances[stage][one] - given.chances[0][stage][one]) > 0.004);
          });
          change();
        }));
      });
    }
    return box;
  }

  /** Return the age at which half have left a stage. */
  function median(law) {
    const total = law.rates.map(rates => rates.reduce((one, other) => one + other, 0));
    let want = Math.LN2;
    for (let bin = 0; bin < law.edges.length; bin += 1) {
      const wide = (law.edges[bin + 1] ?? Infinity) - law.edges[bin];
      if (total[bin] * wide >= want) return law.edges[bin] + want / total[bin];
      want -= total[bin] * wide;
    }
    return law.edges[law.edges.length - 1];
  }

  let waiting = 0;
  function change() {
    state.moved = true;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => { live(); told(); });
  }

  function reset() {
    plan.chances.fill(null);
    plan.stretch.fill(1);
    state.moved = false;
    panel.replaceChildren(...given.exits.map((_, stage) => sliders(stage)));
    live();
    told();
  }

  function keys(event) {
    if (["INPUT", "SELECT", "BUTTON", "SUMMARY"].includes(event.target.tagName) && event.key !== "Escape") return;
    if (event.key === " ") { event.preventDefault(); turn(!state.playing); }
    if (event.key === "ArrowRight") jump(state.time + given.days / 100);
    if (event.key === "ArrowLeft") jump(state.time - given.days / 100);
    if (event.key === "Home") jump(0);
  }

  const panel = dom("div", { className: "panel" });

  function names() {
    const words = state.colour === "channel" ? given.channels : given.groups;
    const used = words.map((_, number) => number).filter(number => made.lives[state.colour === "channel" ? "channel" : "group"].includes(number));
    legend.replaceChildren(...used.map(number => dom("span", {}, dom("i", { style: `background:${HUES[number % HUES.length]}` }), words[number] || "no channel")));
    const marks = [];
    if (given.alert.some(Boolean)) marks.push(["late", "longer there than is good"]);
    if (given.side.length || made.reel.list.some(scene => scene.kind === "back")) marks.push(["back", "comes back"]);
    if (made.reel.list.some(scene => scene.kind === "referral")) marks.push(["brought", "brought by a customer"]);
    if (given.work.length) marks.push(["rep", "with a rep"]);
    legend.append(...marks.map(([kind, words]) => dom("span", { className: "mark" }, dom("i", { className: kind }), words)));
  }

  function explain() {
    const dots = plan.each > 1 ? `One dot is ${count(plan.each)} leads` : "One dot is one lead";
    const thin = state.thin > 1 ? `; of those who leave at once, one dot is ${count(plan.each * state.thin)}` : "";
    const how = played
      ? `Played from one simulated run, as ${given.why}; numbers are counts of all its leads.`
      : "Lived in this page by the stated chances and times; numbers are dots times the leads of a dot.";
    notes.textContent = `${dots}${thin}. ${how} ${given.stated ? "A stated funnel begins with nobody in it on day 0. " : ""}Shares in the table: of those who entered at least ${span(Math.min(given.horizon, given.days / 3))} ago, how many left by each way within that time; none where under 20 dots tell.${given.work.length ? ` At this pace waits and work of under ${span(made.flight / 2)} are not seen; slow down to see them.` : ""}`;
  }

  function build() {
    const main = document.getElementById("live");
    const colour = dom("select", { id: "colour" }, dom("option", { value: "channel", textContent: "channel" }), ...(given.groups.length > 1 ? [dom("option", { value: "group", textContent: "segment" })] : []));
    colour.onchange = () => { state.colour = colour.value; names(); scenery(); paint(); };
    play.onclick = () => { if (!state.playing && state.time >= given.days) state.time = 0; turn(!state.playing); };
    again.onclick = () => jump(0);
    other.onclick = () => { plan.seed += 1; const moved = state.moved; if (moved) { const kept = [plan.chances, plan.stretch]; plan.chances = given.exits.map(() => null); plan.stretch = given.exits.map(() => 1); made.base = Lives.tally(given, Lives.live(given, plan)); [plan.chances, plan.stretch] = kept; } live(); told(); };
    pace.oninput = () => faster(Number(pace.value));
    clock.oninput = () => jump((Number(clock.value) / 1000) * given.days);
    const labelled = (input, words, output) => dom("label", { className: "control", htmlFor: input.id }, dom("span", { textContent: words }), input, ...(output ? [output] : []));
    main.append(
      dom("p", { className: "identity" }, dom("b", { textContent: given.name }), dom("span", { textContent: `${given.stated ? "a stated" : "a fitted"} funnel, simulated for ${count(given.days)} days` })),
      dom("header", {}, sentence),
      dom("div", { className: "controls-row" }, play, again, ...(played ? [] : [other]), labelled(clock, "Time", clocked), labelled(pace, "Speed", paced), labelled(colour, "Colours")),
      legend,
      dom("div", { className: "hall" }, canvas),
      figures,
      notes,
    );
    if (!played) {
      const back = dom("button", { type: "button", textContent: "As stated" });
      back.onclick = reset;
      main.append(dom("section", { className: "tuning" }, dom("p", { className: "question", textContent: "What if a chance or a time were another?" }),
        dom("p", { className: "answer", textContent: "Move one: the same leads live on with the same luck." }), panel, back));
      panel.append(...given.exits.map((_, stage) => sliders(stage)));
    }
    main.append(
      dom("section", {}, dom("p", { className: "question", textContent: "Who came, who is there, and where did they go?" }),
        dom("div", { className: "wide" }, dom("table", {}, dom("thead", {}, dom("tr", {}, ...["stage", "entered", "of these from outside", "there now", "where they went"].map((words, number) => dom("th", { className: number === 0 || number === 4 ? "word" : "", textContent: words })))), body))),
      signals(),
      measures(),
    );
  }

  /** Return what is not as it was stated in the run from which the page was made, where that is known. */
  function signals() {
    if (!given.signals) return "";
    const table = ({ title, heads, rows }) => dom("div", { className: "wide" }, dom("p", { className: "question", textContent: title }), dom("table", {},
      dom("thead", {}, dom("tr", {}, ...heads.map(([words, word]) => dom("th", { className: word ? "word" : "", textContent: words })))),
      dom("tbody", {}, ...rows.map(row => dom("tr", {}, ...row.map((words, number) => dom("td", { className: heads[number][1] ? "word" : "", textContent: words })))))));
    return dom("section", { className: "signals" }, dom("p", { className: "question", textContent: "What was not as stated in the run from which this page was made?" }),
      ...given.signals.said.map(words => dom("p", { textContent: words })), ...given.signals.tables.map(table));
  }

  /** Return the measures of the run from which the page was made. */
  function measures() {
    const rows = given.metrics.map(row => dom("tr", {}, ...row.map((words, number) => dom("td", { className: number === 2 ? "" : "word", textContent: words }))));
    return dom("details", {}, dom("summary", { textContent: "All measures of the simulated run that the terminal tells" }),
      dom("div", { className: "wide" }, dom("table", {}, dom("thead", {}, dom("tr", {}, ...["measure", "of", "value", "unit", "note"].map((words, number) => dom("th", { className: number === 2 ? "" : "word", textContent: words })))), dom("tbody", {}, ...rows))));
  }

  let last = 0;
  function frame(now) {
    const gone = Math.min((now - last) / 1000, 0.1);
    last = now;
    if (state.playing) {
      state.time = Math.min(given.days, state.time + gone * state.speed);
      told();
      paint();
      if (state.time >= given.days) turn(false);
    }
    requestAnimationFrame(frame);
  }

  choose();
  build();
  live();
  state.speed = state.even = usual();
  names();
  explain();
  turn(state.playing);
  faster(0);
  jump(calm ? given.days * 0.6 : 0);
  addEventListener("resize", () => { measure(); });
  addEventListener("keydown", keys);
  matchMedia("print").addEventListener("change", () => measure());
  // For tests, and for whoever looks inside: what is seen, and its numbers.
  window.theatre = { given, plan, state, made, jump, turn, counted, paint, Lives };
  requestAnimationFrame(now => { last = now; frame(now); });
})();
