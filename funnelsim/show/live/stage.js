// Where everything stands on the canvas, and the ways between: no time, no dots, no drawing.
const Stage = (() => {
  "use strict";

  const DOT = 13; // pixels from one dot to the next, where there is room
  const TAPER = 0.42; // of its height the funnel loses from its mouth to its end
  const LEAST = 3; // below it dots are no longer seen apart
  const OWN = 0, LINE = 1, DESK = 2; // in a stage that needs a rep: for itself, waiting for a rep, with one

  /** Return the number of the zone of a stage (with its phase) or of an end. */
  const zone = (given, place, phase) =>
    place < given.stages ? place * 3 + phase : given.stages * 3 + place - given.stages;

  /** Return what each place is: main, side, good (an end that is won or handed over) or lost. */
  function roles(given) {
    const good = [...given.wins, ...given.handed];
    return given.places.map((_, place) => {
      if (place >= given.stages) return good.includes(place) ? "good" : "lost";
      return given.side.includes(place) ? "side" : "main";
    });
  }

  /**
   * Return all boxes: {width, height, narrow, boxes (by place: x, y, w, h, headY), zones (by zone: x, y, w, h,
   * pitch, columns), roles}; `fullest` tells how many dots each zone must hold at once.
   */
  function layout(given, width, fullest, entries) {
    const narrow = width < 640;
    const kinds = roles(given);
    const plan = narrow ? rows(given, width, kinds, entries) : columns(given, width, kinds, entries);
    const zones = [];
    plan.boxes.forEach((box, place) => {
      if (!box) return;
      halls(given, place, box, narrow).forEach(([phase, hall]) => {
        const number = zone(given, place, phase);
        zones[number] = grid(hall, fullest[number] ?? 1);
      });
    });
    return { ...plan, width, narrow, zones, roles: kinds };
  }

  function columns(given, width, kinds, entries) {
    const main = given.places.map((_, place) => place).filter(place => kinds[place] === "main" || kinds[place] === "good");
    const side = given.side;
    const gap = main.length > 6 ? 26 : 40;
    const wide = (width - gap * main.length) / main.length;
    const lines = Math.max(0, ...entries.map(list => Math.min(list.length, 3)));
    const top = (given.brings ? 34 : 4) + lines * 15;
    const head = top + 8;
    const y = head + 74;
    const tall = side.length ? 236 : 270;
    const boxes = [];
    const edge = x => (tall * TAPER * x) / (2 * width);
    main.forEach((place, number) => {
      const x = number * (wide + gap);
      const inside = edge(x + wide);
      boxes[place] = { x, y: y + inside, w: wide, h: tall - 2 * inside, head, top, gap, mouth: tall - 2 * edge(x), next: tall - 2 * edge(x + wide + gap) };
    });
    let free = 0;
    const below = y + tall + 44;
    side.forEach(place => {
      const back = given.exits[place].find(exit => boxes[exit] && exit < place) ?? main[0];
      const x = Math.max(boxes[back].x, free);
      const w = Math.min(main.length > 2 ? wide * 2 + gap : wide, width - gap - x);
      boxes[place] = { x, y: below + 30, w, h: 104, head: below, top: below, gap, flat: true };
      free = x + w + gap;
    });
    const height = side.length ? below + 30 + 104 + 24 : y + tall + 66;
    return { boxes, height, band: 22 };
  }

  function rows(given, width, kinds, entries) {
    const order = given.places.map((_, place) => place).filter(place => kinds[place] !== "lost");
    const main = order.filter(place => kinds[place] !== "side");
    given.side.forEach(place => {
      const back = given.exits[place].find(exit => exit < place) ?? 0;
      main.splice(main.indexOf(back) + 1, 0, place);
    });
    const boxes = [];
    let y = 4;
    main.forEach(place => {
      const indent = kinds[place] === "side" ? 44 : 0;
      const tall = given.work.includes(place) ? 96 : kinds[place] === "good" ? 34 : 62;
      boxes[place] = { x: 8 + indent, y: y + 38, w: width - 16 - indent, h: tall, head: y, top: y, gap: 0 };
      y += 38 + tall + 22;
    });
    return { boxes, height: y, band: 0 };
  }

  /** Return the halls of a place: all of it, or where reps work, who waits above, who is served, the rest below. */
  function halls(given, place, box, narrow) {
    if (!given.work.includes(place)) return [[OWN, box]];
    const line = narrow ? 30 : 84;
    const desk = narrow ? 20 : 30;
    return [
      [LINE, { ...box, h: line }],
      [DESK, { ...box, y: box.y + line + 4, h: desk - 4 }],
      [OWN, { ...box, y: box.y + line + desk + 4, h: box.h - line - desk - 4 }],
    ];
  }

  /** Return a hall with the widest grid that holds so many dots. */
  function grid(hall, dots) {
    let pitch = DOT;
    const holds = one => Math.floor(hall.w / one) * Math.floor(hall.h / one);
    while (pitch > LEAST && holds(pitch) < dots) pitch -= 0.25;
    const across = Math.max(1, Math.floor(hall.w / pitch));
    return { ...hall, pitch, across, most: across * Math.max(1, Math.floor(hall.h / pitch)), inset: (hall.w - across * pitch) / 2 };
  }

  /** Return where a dot rests: the lowest row first, from the left; what does not fit lies on the last place. */
  function spot(hall, slot) {
    const seat = Math.min(slot, hall.most - 1);
    const column = seat % hall.across;
    const row = Math.floor(seat / hall.across);
    return [hall.x + hall.inset + (column + 0.5) * hall.pitch, hall.y + hall.h - (row + 0.5) * hall.pitch];
  }

  const inlet = box => box.x + 7;
  const gutter = box => box.x + box.w + box.gap * 0.42;

  /** Return the way of a dot as points of a line, or as a curve of four points: {line} or {curve}. */
  function way(plan, kind, from, to, start, end) {
    const narrow = plan.narrow;
    if (kind === "birth") {
      if (narrow) return { line: [[-8, end[1]], end] };
      return { line: to.flat ? [[to.x - 14, to.y + to.h / 2], end] : [[inlet(to), to.top - 4], [inlet(to), to.y], end] };
    }
    if (kind === "referral") {
      if (narrow) return { line: [[plan.width + 8, from.y + 10], [plan.width - 3, end[1]], end] };
      const x = gutter(from);
      return { line: [[x, from.y + 8], [x, plan.band], [inlet(to), plan.band], [inlet(to), to.y], end] };
    }
    if (kind === "lost") {
      if (narrow) return { line: [start, [plan.width + 10, start[1]]] };
      const x = gutter(from);
      const floor = from.y + from.h + (from.flat ? 18 : 40);
      return { curve: [start, [x, start[1]], [x, start[1]], [x, floor]] };
    }
    if (kind === "within") return { line: [start, end] };
    if (kind === "side" || kind === "return" || narrow) {
      const bend = narrow && (kind === "back" || kind === "return") ? -40 : 0;
      const middle = (start[1] + end[1]) / 2;
      return { curve: [start, [start[0] + bend, middle], [end[0] + bend, middle], end] };
    }
    if (kind === "back") {
      const dip = Math.max(from.y + from.h, to.y + to.h) + 62;
      return { curve: [start, [start[0], dip], [end[0], dip], end] };
    }
    const half = (start[0] + end[0]) / 2;
    return { curve: [start, [half, start[1]], [half, end[1]], end] };
  }

  /** Return the point of a way at a part of it. */
  function along({ line, curve }, part) {
    if (curve) {
      const rest = 1 - part;
      const weights = [rest ** 3, 3 * rest * rest * part, 3 * rest * part * part, part ** 3];
      return [0, 1].map(axis => weights.reduce((sum, weight, number) => sum + weight * curve[number][axis], 0));
    }
    const lengths = line.slice(1).map((point, number) => Math.hypot(point[0] - line[number][0], point[1] - line[number][1]));
    let left = part * lengths.reduce((sum, one) => sum + one, 0);
    for (let number = 0; number < lengths.length; number += 1) {
      if (left <= lengths[number] || number === lengths.length - 1) {
        const share = lengths[number] ? Math.min(left / lengths[number], 1) : 1;
        return [0, 1].map(axis => line[number][axis] + share * (line[number + 1][axis] - line[number][axis]));
      }
      left -= lengths[number];
    }
    return line[0];
  }

  return { OWN, LINE, DESK, zone, roles, layout, spot, way, along, inlet, gutter };
})();
