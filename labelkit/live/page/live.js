// The painting game's page. All it shows comes as whole states; names and words are set as text, never as markup.
(async () => {
  const $ = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const drawn = (name, attributes) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const SILENCE_MS = 6000; // the server says something every 2 s
  history.replaceState(null, "", "/"); // the token is a cookie now

  const map = await (await fetch("/map")).json();
  const scale = 500 / map.limit;
  const at = ([azimuth, elevation]) => [azimuth * scale, elevation * scale];
  const cells = map.cells.map(({ centre, corners }) => {
    const cell = drawn("g", { class: "l0" });
    const [cx, cy] = at(centre);
    cell.append(drawn("path", { d: `M${corners.map((corner) => at(corner).join()).join("L")}z` }), drawn("circle", { cx, cy, r: 5 }));
    $("cells").append(cell);
    return cell;
  });
  $("rim").setAttribute("r", map.reach * scale);

  const level = (count) => (count >= map.target ? 4 : count === 0 ? 0 : 1 + Math.min(2, Math.floor((3 * count) / map.target)));
  const percent = (share) => (share > 0 && share < 0.01 ? "<1 %" : `${Math.floor(share * 100 + 1e-9)} %`);
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const set = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const hide = (id, yes) => $(id).toggleAttribute("hidden", yes); // an SVG element has no property of that name
  const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : ".");

  let last = null;
  let heard = performance.now();
  let source = null;

  function show(state) {
    set($("words"), sentence(state.words));
    $("words").classList.toggle("wrong", state.rejected !== null && state.words === state.rejected.advice);
    set($("person"), state.participant ?? "nobody yet");
    set($("collected"), percent(state.collected));
    set($("begun"), `${state.begun_cells} of ${cells.length}`);
    set($("full"), String(state.full_cells));
    set($("timer"), clock(state.seconds));
    $("bar").setAttribute("aria-valuenow", String(Math.floor(100 * state.collected)));
    $("bar-begun").style.width = `${(100 * state.begun_cells) / cells.length}%`;
    $("bar-full").style.width = `${(100 * state.full_cells) / cells.length}%`;
    $("map").setAttribute("aria-label", `The map: ${state.begun_cells} cells begun, ${state.full_cells} full, of ${cells.length}`);
    set($("state"), progress(state));
    set($("troubles"), state.troubles.join("\n\n"));
    hide("troubles", state.troubles.length === 0);
    // As in a mirror: the screen's right is the participant's right. A left hand's angles are stored mirrored already.
    $("flip").setAttribute("transform", state.mirrored ? "scale(1 1)" : "scale(-1 1)");
    state.counts.forEach((count, k) => {
      const looks = `l${level(count)}`;
      if (cells[k].getAttribute("class") !== looks) cells[k].setAttribute("class", looks);
    });
    point(state);
    people(state);
    celebrate(state);
    look(state);
    last = state;
  }

  function progress(state) {
    if (state.skipped > 2) return `Too fast: ${state.skipped} pictures wait, and are counted when there is time.`;
    if (state.earlier) return `Reading what was here before: ${state.earlier} pictures are left.`;
    return state.frames ? `${state.samples.toLocaleString("en")} of ${state.frames.toLocaleString("en")} pictures count.` : "";
  }

  function point(state) {
    const trail = state.trail.slice(0, -1).map((place, k, all) => {
      const [cx, cy] = at(place);
      return drawn("circle", { cx, cy, r: 4 + (6 * k) / all.length, opacity: (0.6 * (k + 1)) / all.length });
    });
    $("trail").replaceChildren(...trail);
    const goal = state.goal && at([state.goal.azimuth, state.goal.elevation]);
    hide("goal", goal === null);
    if (goal) $("goal").setAttribute("transform", `translate(${goal})`);
    const seen = state.hand ?? (state.trail.length ? { azimuth: state.trail.at(-1)[0], elevation: state.trail.at(-1)[1] } : null);
    const hand = seen && at([seen.azimuth, seen.elevation]);
    hide("hand", hand === null);
    $("hand").classList.toggle("lost", state.hand === null);
    if (hand) $("hand").style.transform = `translate(${hand[0]}px, ${hand[1]}px)`;
    const d = hand && goal && state.hand ? arrow(hand, goal) : "";
    $("arrow").setAttribute("d", d);
    hide("arrow", d === "");
  }

  // From the rim of the dot to the rim of the ring; none where they touch.
  function arrow([x, y], [gx, gy]) {
    const far = Math.hypot(gx - x, gy - y);
    if (far < 85) return "";
    const [ux, uy] = [(gx - x) / far, (gy - y) / far];
    const place = (along, across) => `${(x + ux * along - uy * across).toFixed(1)},${(y + uy * along + ux * across).toFixed(1)}`;
    const tip = far - 36, neck = tip - 34;
    return `M${place(32, -6)}L${place(neck, -6)}L${place(neck, -20)}L${place(tip, 0)}L${place(neck, 20)}L${place(neck, 6)}L${place(32, 6)}z`;
  }

  function people(state) {
    const list = $("people");
    while (list.children.length > state.participants.length) list.lastChild.remove();
    state.participants.forEach((person, k) => {
      let row = list.children[k];
      if (!row) {
        row = document.createElement("li");
        const bar = document.createElement("progress");
        bar.max = 1;
        row.append(document.createElement("span"), bar, document.createElement("b"));
        list.append(row);
      }
      const [name, bar, share] = row.children;
      set(name, person.name);
      bar.value = person.collected;
      bar.setAttribute("aria-label", person.name);
      set(share, percent(person.collected));
      row.classList.toggle("now", person.name === state.participant);
    });
  }

  function celebrate(state) {
    if (last === null || last.participant !== state.participant) return;
    const filled = state.counts.flatMap((count, k) => (count >= map.target && last.counts[k] < map.target ? [k] : []));
    if (filled.length) set($("cheer"), state.done ? "All of it is painted!" : filled.length > 1 ? `${filled.length} cells are full!` : "A cell is full!");
    if (!calm.matches) for (const k of filled.slice(0, 12)) burst(at(map.cells[k].centre));
    if (filled.length) {
      clearTimeout(celebrate.over);
      celebrate.over = setTimeout(() => { if (!last.done) set($("cheer"), ""); }, 2500);
    }
  }

  function burst([x, y]) {
    const group = drawn("g", { transform: `translate(${x} ${y})` });
    group.append(drawn("circle", { class: "pop", r: 10 }));
    for (let k = 0; k < 10; k++) {
      const spark = drawn("circle", { r: 9 });
      spark.style.setProperty("--dx", `${Math.cos((k * Math.PI) / 5) * 95}px`);
      spark.style.setProperty("--dy", `${Math.sin((k * Math.PI) / 5) * 95}px`);
      group.append(spark);
    }
    $("sparks").append(group);
    setTimeout(() => group.remove(), 1000);
  }

  let loading = false;
  function look(state) {
    hide("camera", !map.pictures || state.picture === null);
    if (!map.pictures || state.picture === null || loading || (last && last.picture === state.picture)) return;
    loading = true;
    $("picture").onload = $("picture").onerror = () => { loading = false; };
    $("picture").src = `/picture?${state.picture}`;
  }

  function listen() {
    source?.close();
    heard = performance.now();
    source = new EventSource("/events");
    const hear = () => { heard = performance.now(); };
    source.addEventListener("ping", hear);
    source.addEventListener("message", (event) => {
      hear();
      const state = JSON.parse(event.data);
      if (state.schema === "labelkit-live/1") show(state);
    });
  }

  setInterval(() => {
    if (performance.now() - heard < SILENCE_MS) return;
    set($("state"), "No word from labelkit. Is it still running? If it was started again, open the address it printed.");
    listen();
  }, 1000);

  const whole = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  $("whole").addEventListener("click", whole);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "f" && !event.ctrlKey && !event.metaKey && !event.altKey) whole();
  });
  listen();
})();
