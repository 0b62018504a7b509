// SPDX-License-Identifier: GPL-2.0-only
// While something runs, puts what is new in its place; without it, one loads the page again.
"use strict";
(() => {
  const every_ms = 3000;
  const told = document.getElementById("live");
  if (!told) return;
  const look = async () => {
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = fresh.getElementById("now");
      if (!now) throw new Error("nothing there");
      document.getElementById("now").replaceWith(now);
      if (!fresh.getElementById("live")) return location.reload();
      told.textContent = "Looks again every " + every_ms / 1000 + " s.";
    } catch {
      told.textContent = "buddylab serve does not answer; start it again.";
    }
    setTimeout(look, every_ms);
  };
  setTimeout(look, every_ms);
})();
