// What a page gains by scripts: it follows what happens, and can be used from the keyboard.
"use strict";

(() => {
  const main = () => document.getElementById("main");
  const status = (text) => { const place = document.getElementById("live"); if (place) place.textContent = text; };

  // Takes the parts that may have changed from a page fetched again. What somebody is typing in stays.
  const refresh = async () => {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.redirected) { location.reload(); return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of main().querySelectorAll("[data-part]")) {
      const other = fresh.getElementById(part.id);
      if (!other || other.innerHTML === part.innerHTML || part.contains(document.activeElement)) continue;
      const open = [...part.querySelectorAll("details")].map((one) => one.open);
      part.innerHTML = other.innerHTML;
      part.querySelectorAll("details").forEach((one, index) => { one.open = open[index] || false; });
    }
    const decide = document.getElementById("decide-part");
    const decided = fresh.getElementById("decide-part");
    if (decide && decided && buttons(decide) !== buttons(decided)) {
      const note = decide.querySelector("textarea")?.value;
      decide.innerHTML = decided.innerHTML;
      const place = decide.querySelector("textarea");
      if (place && note) place.value = note;
    }
    document.title = fresh.title;
    const live = fresh.getElementById("main")?.dataset.live;
    if (!live) { delete main().dataset.live; stop(); return; }
    const elsewhere = live.split("?")[0] !== main().dataset.live?.split("?")[0];
    main().dataset.live = live;
    if (elsewhere) { stop(); start(); }
  };
  const buttons = (place) => [...place.querySelectorAll("button")].map((one) => one.textContent).join("|");

  let source = null;
  let lost = false;
  let due = null;
  const stop = () => { source?.close(); source = null; status(""); };
  const start = () => {
    const live = main()?.dataset.live;
    if (!live || source || document.hidden) return;
    source = new EventSource(live);
    // What happened while nobody listened is on the page fetched again.
    source.addEventListener("open", () => { status("Live"); if (lost) { lost = false; refresh().catch(() => {}); } });
    source.addEventListener("error", () => { lost = true; status("Not connected: trying again"); });
    source.addEventListener("changed", () => {
      due ??= setTimeout(() => { due = null; refresh().catch(() => status("Not connected")); }, 150);
    });
  };
  // A page nobody looks at holds no connection.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop(); else if (main()?.dataset.live) { refresh().catch(() => {}); start(); }
  });
  start();

  // What takes a while to find out comes into its place instead of on a page of its own.
  const ask = async (place) => {
    place.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(place.dataset.ask, { headers: { accept: "text/html" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("found");
      place.innerHTML = found.innerHTML;
    } finally { place.removeAttribute("aria-busy"); }
  };
  for (const place of document.querySelectorAll("[data-ask]")) {
    place.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link || link.pathname !== place.dataset.ask || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      ask(place).catch(() => { location.href = place.dataset.ask; });
    });
    // Whoever has to decide should not have to ask; what cannot be found out leaves its link.
    if ("soon" in place.dataset) ask(place).catch(() => {});
  }

  const move = (by) => {
    const rows = [...document.querySelectorAll("a.row")];
    if (rows.length === 0) return;
    const at = rows.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1);
    rows[next].focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, textarea, select")) { if (event.key === "Escape") event.target.blur(); return; }
    switch (event.key) {
      case "j": move(1); break;
      case "k": move(-1); break;
      case "/": document.querySelector("input[type=search]")?.focus(); break;
      case "a": document.getElementById("note")?.focus(); break;
      case "g": location.href = "/"; break;
      default: return;
    }
    event.preventDefault();
  });

  // A second click does nothing twice.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
})();
