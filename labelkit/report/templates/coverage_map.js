
// The coverage map: what is under the pointer or the arrow keys is said below it; a list chooses whose samples.
(() => {
  const box = document.querySelector(".coverage");
  const data = JSON.parse(document.getElementById("coverage-data").textContent);
  const map = box.querySelector(".map");
  const cells = [...map.querySelectorAll("[data-cell]")];
  const readout = box.querySelector(".readout");
  const cursor = map.querySelector(".cursor");
  const select = box.querySelector("select");
  const at = new Map(data.places.map((place, cell) => [place, cell]));
  const middle = at.get((data.side * data.side + data.side) / 2) ?? 0;
  let group = data.groups[0];
  let here = null;

  const compact = (n) => (n < 10000 ? String(n) : n < 1000000 ? `${Math.floor(n / 1000)}k` : `${Math.floor(n / 1000000)}M`);
  const signed = (angle) => (angle > 0 ? "+" : angle < 0 ? "\u2212" : "") + Math.abs(angle);

  function say(cell) {
    const [azimuth, elevation] = data.angles[cell];
    const count = group.counts[cell];
    const samples = count === 1 ? "1 distinct sample" : `${count.toLocaleString("en")} distinct samples`;
    const missing = data.target - count;
    readout.textContent = `Azimuth ${signed(azimuth)}\u00b0, elevation ${signed(elevation)}\u00b0 (${data.regions[cell]}): `
      + (count ? samples : "no sample") + (missing > 0 ? `, ${missing.toLocaleString("en")} missing.` : ", full.");
  }

  function goTo(cell) {
    here = cell;
    cursor.setAttribute("d", cells[cell].firstChild.getAttribute("d"));
    say(cell);
  }

  function choose(cell) {
    goTo(cell);
    map.querySelector(".mark").setAttribute("d", cells[cell].firstChild.getAttribute("d"));
    box.dispatchEvent(new CustomEvent("cell", { detail: cell }));
  }

  function show(number) {
    group = data.groups[number];
    group.counts.forEach((count, k) => {
      const shade = data.lows.findLastIndex((low) => count >= low);
      cells[k].setAttribute("class", shade < 0 ? "none" : `s${shade}`);
      cells[k].querySelector("text").textContent = compact(count);
    });
    box.querySelector(".title").textContent = number ? `${group.name}: ${group.title}` : group.title;
    const lines = group.words.map((words) => Object.assign(document.createElement("li"), { textContent: words }));
    box.querySelector(".words").replaceChildren(...lines);
    if (here !== null) say(here);
  }

  function stepped(row, column) {
    const side = data.side;
    let [r, c] = [Math.floor(data.places[here] / side) + row, (data.places[here] % side) + column];
    for (; r >= 0 && c >= 0 && r < side && c < side; r += row, c += column) {
      if (at.has(r * side + c)) return at.get(r * side + c);
    }
    return here;
  }

  function nextEmpty() {
    for (let k = 1; k <= cells.length; k++) {
      const cell = ((here ?? -1) + k) % cells.length;
      if (group.counts[cell] === 0) return cell;
    }
    return here ?? middle;
  }

  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  map.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) goTo(here === null ? middle : stepped(...steps[event.key]));
    else if (event.key === "e" || event.key === "E") goTo(nextEmpty());
    else if (event.key === "Home") goTo(middle);
    else if (event.key === "Enter" || event.key === " ") choose(here ?? middle);
    else return;
    event.preventDefault();
  });
  map.addEventListener("focus", () => { if (here === null && map.matches(":focus-visible")) goTo(middle); });
  const cellOf = (event) => event.target.closest?.("[data-cell]");
  map.addEventListener("pointerover", (event) => { if (cellOf(event)) goTo(Number(cellOf(event).dataset.cell)); });
  map.addEventListener("click", (event) => { if (cellOf(event)) choose(Number(cellOf(event).dataset.cell)); });
  select.addEventListener("change", () => show(Number(select.value)));
  box.querySelector(".controls").hidden = data.groups.length < 2;
  select.value = "0"; // a browser that goes back remembers another
})();
