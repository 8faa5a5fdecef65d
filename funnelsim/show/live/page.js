// Begins in a page of its own: data and scripts lie in its elements, positions of sliders in its address, so
// that a plan can be marked and sent.
(() => {
  "use strict";

  const text = id => document.getElementById(id).textContent;

  /** A page inside a page has no address: nothing is lost but the mark. */
  function keep(positions) {
    const mark = positions.map(position => position.join("=")).join("&");
    try {
      history.replaceState(null, "", mark ? `#${mark}` : location.pathname + location.search);
    } catch {
      /* as said above */
    }
  }

  start(document.getElementById("live"), JSON.parse(text("data")), {
    source: ["distribution.js", "engine.js"].map(text).join("\n"),
    recall: () => new URLSearchParams(location.hash.slice(1)),
    keep,
  });
})();
