
// The gallery: the samples of the cell that was chosen on the map, or a hand in every cell.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const gallery = JSON.parse(document.getElementById("gallery-data").textContent);
  const box = document.querySelector(".coverage");
  const chosen = document.querySelector(".chosen");
  const map = box.querySelector(".map");
  const { angles } = JSON.parse(document.getElementById("coverage-data").textContent);
  const signed = (angle) => (angle > 0 ? "+" : angle < 0 ? "\u2212" : "") + Math.abs(angle);
  const placeOf = (cell) => `azimuth ${signed(angles[cell][0])}\u00b0, elevation ${signed(angles[cell][1])}\u00b0`;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  function drawn(name, attributes) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  function tile([picture, x, y, caption]) {
    const item = document.createElement("li");
    item.className = "tile";
    const crop = drawn("svg", { viewBox: "0 0 100 100", role: "img", "aria-label": `crop of ${caption}` });
    const arrow = drawn("g", { class: "arrow label" });
    arrow.append(drawn("line", { x1: 50, y1: 50, x2: x, y2: y }), drawn("circle", { cx: x, cy: y, r: 4 }));
    crop.append(drawn("image", { href: picture, width: 100, height: 100 }), arrow);
    const words = document.createElement("p");
    words.append(...caption.replace("\u00b0, ", "\u00b0,\u00a0").split(/(?<=\/)/).flatMap((part, k) => (k ? [document.createElement("wbr"), part] : [part])));
    item.append(crop, words);
    return item;
  }

  box.addEventListener("cell", (event) => {
    const samples = gallery[event.detail];
    const heading = document.createElement("h3");
    heading.textContent = samples.length ? `Samples of the cell at ${placeOf(event.detail)}` : "This cell holds no sample.";
    const list = document.createElement("ul");
    list.className = "tiles";
    list.append(...samples.map(tile));
    chosen.replaceChildren(heading, list);
    chosen.scrollIntoView({ block: "start", behavior: calm.matches ? "auto" : "smooth" });
  });

  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Show hands in the cells" });
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    if (!map.querySelector("image")) {
      map.querySelectorAll("[data-cell]").forEach((cell, k) => {
        const samples = gallery[k];
        if (!samples.length) return;
        const { x, y, width, height } = cell.firstChild.getBBox();
        cell.firstChild.after(drawn("image", { href: samples[k % samples.length][0], x, y, width, height, preserveAspectRatio: "xMidYMid slice" }));
      });
    }
    button.setAttribute("aria-pressed", String(box.classList.toggle("hands")));
  });
  box.querySelector(".controls").append(button);
  box.querySelector(".controls").hidden = false;
})();
