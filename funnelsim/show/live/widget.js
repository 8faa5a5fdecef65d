// Begins among a notebook's cells: what a page has in its elements comes from the model that Python shares,
// and positions of sliders go back there. A tree of its own keeps the notebook's styles and ours apart.
export default {
  render({ model, el }) {
    const held = model.get("held");
    const place = document.createElement("div");
    const style = document.createElement("style");
    const root = document.createElement("main");
    style.textContent = held.style;
    place.lang = held.words.lang;
    place.attachShadow({ mode: "open" }).append(style, root);
    place.dataset.lmSuppressShortcuts = "true"; // arrow keys move a slider, not on to the next cell
    el.append(place);
    const { put, stop } = start(root, held, {
      source: `const Engine = (${reckoning})();`,
      recall: () => Object.entries(model.get("at")),
      keep: positions => {
        model.set("at", Object.fromEntries(positions));
        model.save_changes();
      },
    });
    const moved = () => put(Object.entries(model.get("at")));
    model.on("change:at", moved);
    return () => {
      model.off("change:at", moved);
      stop();
    };
  },
};
