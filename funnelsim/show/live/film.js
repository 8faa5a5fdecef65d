// When each lead is seen where: lives become scenes, each in a zone and a seat of its own, with the way there.
const Film = (() => {
  "use strict";

  const KEPT = 1 / 16; // of the whole time a dot is kept where leads are won, so that a crowd is seen

  /**
   * Return scenes in the order in which they begin: columns lead, zone, place, from (place before, or -1),
   * kind, start, end, seat, since (when the stage was entered); and how many seats each zone needs.
   *
   * flight: days that a dot is on its way. A lead that moves on sooner is seen a little later.
   */
  function scenes(given, lives, flight, kept) {
    const roles = Stage.roles(given);
    const list = [];
    for (let lead = 0; lead + 1 < lives.first.length; lead += 1) {
      if (kept && !kept(lead)) continue;
      film(given, lives, lead, flight, roles, list);
    }
    list.sort((one, other) => one.start - other.start);
    return { list, fullest: seats(list), starts: Float64Array.from(list, scene => scene.start) };
  }

  /** Add one lead's scenes: each begins when the one before has been seen to arrive. */
  function film(given, lives, lead, flight, roles, list) {
    const last = lives.first[lead + 1];
    let before = null;
    const show = (place, phase, since, at, kind) => {
      const scene = {
        lead, place, kind, since, until: Infinity, zone: Stage.zone(given, place, phase), before, seat: 0,
        start: before ? Math.max(at, before.start + flight) : at, end: Infinity, from: before ? before.place : -1,
      };
      if (before) before.end = scene.start;
      list.push(scene);
      before = scene;
    };
    for (let row = lives.first[lead]; row < last; row += 1) {
      const place = lives.place[row];
      const at = lives.at[row];
      if (before && before.place < given.stages) before.until = at;
      if (roles[place] === "lost") {
        if (before) show(before.place, Stage.OWN, at, at, "lost");
        if (before) { before.end = before.start + flight; before.zone = -1; before.gone = place; }
        continue;
      }
      const kind = before ? kindOf(roles, before.place, place) : lives.old[lead] ? "there" : lives.referred[lead] ? "referral" : "birth";
      if (Number.isFinite(lives.began[row])) {
        const leaves = row + 1 < last ? lives.at[row + 1] : Infinity;
        const [began, done] = [Math.min(lives.began[row], leaves), Math.min(lives.done[row], leaves)];
        const turns = [[Stage.LINE, at, began], [Stage.DESK, began, done], [Stage.OWN, done, leaves]];
        // What is over before a dot could arrive is not seen: at a slower pace it is.
        const long = turns.filter(([, from, to], number) => to - from > (number < 2 ? flight / 2 : 0));
        (long.length ? long : turns.slice(0, 1)).forEach(([phase, from], number) => show(place, phase, at, number ? from : at, number ? "within" : kind));
      } else show(place, Stage.OWN, at, at, kind);
      if (place >= given.stages) before.end = before.start + flight + given.days * KEPT;
    }
  }

  function kindOf(roles, from, to) {
    if (roles[to] === "side") return "side";
    if (roles[from] === "side") return "return";
    return to < from ? "back" : "forward";
  }

  /** Give each scene the lowest free seat of its zone, and return how many seats each zone needs. */
  function seats(list) {
    const free = [];
    const next = [];
    const leaving = heap((one, other) => one.end - other.end);
    list.forEach(scene => {
      while (leaving.size() && leaving.top().end <= scene.start) {
        const gone = leaving.pop();
        free[gone.zone].push(gone.seat);
      }
      if (scene.zone < 0) return;
      free[scene.zone] ??= heap((one, other) => one - other);
      next[scene.zone] ??= 0;
      scene.seat = free[scene.zone].size() ? free[scene.zone].pop() : next[scene.zone]++;
      leaving.push(scene);
    });
    return next;
  }

  function heap(order) {
    const held = [];
    return {
      size: () => held.length,
      top: () => held[0],
      push(one) {
        let spot = held.push(one) - 1;
        while (spot > 0) {
          const above = (spot - 1) >> 1;
          if (order(held[above], held[spot]) <= 0) break;
          [held[above], held[spot]] = [held[spot], held[above]];
          spot = above;
        }
      },
      pop() {
        const first = held[0];
        const last = held.pop();
        if (held.length) {
          held[0] = last;
          let spot = 0;
          while (true) {
            let least = spot;
            for (const below of [2 * spot + 1, 2 * spot + 2]) {
              if (below < held.length && order(held[below], held[least]) < 0) least = below;
            }
            if (least === spot) break;
            [held[least], held[spot]] = [held[spot], held[least]];
            spot = least;
          }
        }
        return first;
      },
    };
  }

  /** Return a reader that gives the scenes seen at a time; cheap where time goes on, right where it jumps. */
  function reader(reel) {
    let time = -Infinity;
    let next = 0;
    let seen = [];
    return at => {
      if (at < time) { next = 0; seen = []; }
      for (; next < reel.list.length && reel.starts[next] <= at; next += 1) if (reel.list[next].end > at) seen.push(reel.list[next]);
      time = at;
      seen = seen.filter(scene => scene.end > at);
      return seen;
    };
  }

  return { scenes, reader };
})();
