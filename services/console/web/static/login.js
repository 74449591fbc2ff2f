"use strict";
// A link printed by the command line ends in #token=…: the browser never sends that part to any server, so this script
// hands it over in a POST and takes it out of the address bar and the history.
(() => {
  const wanted = document.body.dataset.next;
  const said = document.getElementById("said");
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  const ask = { headers: { "X-Requested-With": "console" }, credentials: "same-origin" };

  async function enter(text) {
    history.replaceState(null, "", location.pathname + location.search);
    const form = new FormData();
    form.set("token", text);
    const answer = await fetch("/login", { ...ask, method: "POST", body: new URLSearchParams(form), redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.ok) location.replace(wanted);
    else {
      said.textContent = answer.status === 503 ? "The bus is away: try again in a moment." : "This token is not known.";
      said.className = "said bad";
    }
  }

  // Coming from another site the browser holds the strict cookie back once: ask again from here.
  async function alreadyIn() {
    const answer = await fetch("/whoami", ask);
    if (answer.ok) location.replace(wanted);
  }

  if (token) enter(token);
  else alreadyIn();
})();
