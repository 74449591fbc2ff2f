"use strict";
// Live updates: the server sends pieces of the page, each with an id; this puts them in place. Clocks count here, from
// the server's time. Nothing else: without this script the page reloads itself.
(() => {
  const later = new Map(); // pieces that wait until somebody has finished typing in what they replace
  let skew = Number(document.body.dataset.now) - Date.now();
  let news = Number(document.body.dataset.news) || null;
  let deaf = false;
  let connected = false;
  const ask = { headers: { "X-Requested-With": "console", "Accept": "text/html" }, credentials: "same-origin" };
  const serverNow = () => Date.now() + skew;

  function span(ms) { // the same words as services/console/web/words.py
    const s = Math.floor(Math.abs(ms) / 1000);
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
  }

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function tick() {
    const now = serverNow();
    for (const e of document.querySelectorAll("[data-ago]")) write(e, `${span(Math.max(0, now - e.dataset.ago))} ago`);
    for (const e of document.querySelectorAll("[data-for]")) write(e, span(now - e.dataset.for));
    for (const e of document.querySelectorAll("[data-until]")) {
      const left = e.dataset.until - now;
      const clock = e.closest(".clock");
      write(e, span(left));
      if (!clock || left >= 0) continue;
      if (clock.classList.replace("left", "over")) write(clock.querySelector(".clock-word"), "over its time");
      if (clock.classList.replace("watch", "waits")) write(clock.querySelector(".clock-word"), "since the watch could end");
    }
    const quiet = news === null ? 0 : now - news;
    let word = "live";
    if (!connected) word = "connecting again …";
    else if (deaf) word = `the bus is away, no news for ${span(quiet)}`;
    else if (quiet > 5000) word = `no news for ${span(quiet)}`;
    const pill = document.getElementById("live");
    pill.dataset.state = word === "live" ? "live" : connected ? "deaf" : "lost";
    write(pill.querySelector(".live-word"), word);
  }

  function isBusy(element) {
    const focus = document.activeElement;
    if (focus && element.contains(focus) && focus.matches("input, textarea")) return true;
    return [...element.querySelectorAll("textarea, input")].some((field) => (
      // A checkbox's value is not what somebody typed, and always differs from its default.
      field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue
    ));
  }

  function put(fresh, force = false) {
    const old = document.getElementById(fresh.id);
    if (!old) return;
    if (!force && isBusy(old)) { later.set(fresh.id, fresh); return; }
    later.delete(fresh.id);
    const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    const bodies = new Map([...old.querySelectorAll("details[open] > .lazy")].map((lazy) => [lazy.parentElement.id, lazy]));
    old.replaceWith(fresh);
    for (const id of open) {
      const details = document.getElementById(id);
      if (!details || !fresh.contains(details)) continue;
      const lazy = details.querySelector(":scope > .lazy");
      if (lazy && bodies.has(id)) lazy.replaceWith(bodies.get(id));
      details.open = true;
    }
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  function parse(html) {
    const box = document.createElement("template");
    box.innerHTML = html;
    return [...box.content.children];
  }

  function parts(html) {
    for (const fresh of parse(html)) {
      put(fresh);
      const timeline = fresh.id.startsWith("incident.") && document.getElementById(fresh.id.replace("incident", "timeline"));
      if (timeline && isShown(timeline)) load(timeline);
    }
    const headline = document.querySelector("#headline .title");
    if (headline && document.querySelector(".back") === null) {
      document.title = `${headline.textContent} – ${document.body.dataset.programme}`;
    }
    tick();
  }

  // On the overview a timeline is behind a fold; on an incident's own page it is simply there.
  const isShown = (timeline) => timeline.open || !timeline.matches("details");

  async function load(details) {
    const answer = await fetch(details.dataset.src, ask);
    const html = await answer.text();
    // The element may have been drawn anew while we asked: the one that is on the page now gets the answer.
    const lazy = document.getElementById(details.id)?.querySelector(".lazy");
    if (answer.ok && lazy) lazy.replaceChildren(...parse(html));
  }

  async function refresh() {
    if (document.querySelector(".back")) return;
    const answer = await fetch("/fragment", ask);
    if (answer.status === 401) { location.assign("/login"); return; }
    if (!answer.ok) return;
    const html = await answer.text();
    for (const fresh of parse(html)) {
      const inner = fresh.id ? [fresh] : [...fresh.children];
      for (const one of inner) if (one.id) put(one);
    }
    tick();
  }

  async function send(form, button) {
    const actions = form.closest(".actions");
    const said = actions.querySelector(":scope > .said");
    const action = button?.getAttribute("formaction") || form.getAttribute("action");
    const buttons = [...actions.querySelectorAll("button")];
    buttons.forEach((one) => { one.disabled = true; });
    let text = "Not done: the console does not answer.";
    let ok = false;
    try {
      const answer = await fetch(action, { ...ask, method: "POST", body: new URLSearchParams(new FormData(form)) });
      text = await answer.text();
      ok = answer.ok;
    } catch { /* said below */ }
    buttons.forEach((one) => { one.disabled = false; });
    if (ok) { form.reset(); release(); }
    const place = document.getElementById(actions.id)?.querySelector(":scope > .said") || said;
    place.textContent = text;
    place.className = ok ? "said ok" : "said bad";
    place.hidden = false;
  }

  function release() {
    for (const fresh of [...later.values()]) put(fresh);
  }

  function listen() {
    // The stream begins where the page ends; after a break the browser names the last event it saw by itself.
    const source = new EventSource(`/events?since=${document.body.dataset.position}`);
    source.addEventListener("open", () => {
      connected = true;
      tick();
    });
    source.addEventListener("parts", (event) => parts(event.data));
    source.addEventListener("refresh", refresh);
    source.addEventListener("bye", () => { source.close(); location.assign("/login"); });
    source.addEventListener("beat", (event) => {
      const beat = JSON.parse(event.data);
      skew = beat.now - Date.now();
      news = beat.news;
      deaf = beat.deaf;
      tick();
    });
    source.addEventListener("error", () => {
      connected = false;
      tick();
      if (source.readyState === EventSource.CLOSED) again();
    });
  }

  async function again() { // refused, not merely broken off: the token may have been revoked
    const answer = await fetch("/whoami", ask).catch(() => null);
    if (answer && answer.status === 401) location.assign("/login");
    else setTimeout(listen, 3000);
  }

  if (location.hash.startsWith("#token=")) location.replace(`/login${location.hash}`);
  document.addEventListener("toggle", (event) => {
    if (event.target.open && event.target.dataset.src) load(event.target);
  }, true);
  document.addEventListener("submit", (event) => {
    if (!event.target.closest(".actions")) return;
    event.preventDefault();
    send(event.target, event.submitter);
  });
  document.addEventListener("focusout", () => setTimeout(release, 0));
  setInterval(tick, 1000);
  setInterval(() => { // how much of a watch is covered by samples nobody announces
    for (const e of document.querySelectorAll("[data-src] [data-again]")) {
      if (isShown(e.closest("[data-src]"))) load(e.closest("[data-src]"));
    }
  }, 5000);
  listen();
})();
