// Keeps the inbox current: the server says over /events that something came, and renders the list itself.
"use strict";
const list = document.getElementById("messages");
const live = document.getElementById("live");
const newest = () => Number(list.querySelector("nav").dataset.newest);

let waiting = null;
async function refresh() {
  waiting = null;
  const before = newest();
  const answer = await fetch("/messages" + location.search);
  if (!answer.ok) return;
  const open = new Set([...list.querySelectorAll("details[open]")].map((d) => d.id));
  list.innerHTML = await answer.text(); // rendered and escaped by the server this page came from
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  for (const card of list.querySelectorAll("article")) card.classList.toggle("new", Number(card.dataset.n) > before);
  if (document.hidden && newest() > before) document.title = "● Inbox · Hypercare drill";
}

// One fetch for a burst of messages; a page of an escalation easily brings four at once.
const soon = () => { waiting ??= setTimeout(() => refresh().catch(() => live.classList.add("away")), 40); };

const events = new EventSource("/events?since=" + newest());
events.onmessage = soon;
events.onopen = () => { live.className = ""; live.textContent = "live"; soon(); };
events.onerror = () => { live.className = "away"; live.textContent = "connecting…"; };

function ago(ms) {
  const s = Math.floor(ms / 1000);
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) if (s >= size) return `${Math.floor(s / size)} ${unit}`;
  return "now";
}
setInterval(() => {
  for (const time of list.querySelectorAll("time")) time.querySelector(".ago").textContent = ago(Date.now() - Date.parse(time.dateTime));
}, 1000);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  document.title = "Inbox · Hypercare drill";
  soon(); // a link opened in another tab may have been pressed there
});
