"use strict";
const root = document.documentElement;
const theme = document.getElementById("theme");
const themes = ["auto", "light", "dark"];
theme.addEventListener("click", () => {
  const next = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
  root.dataset.theme = next;
  const word = next === "auto" ? "system" : next;
  theme.textContent = `Theme: ${word}`;
  theme.setAttribute("aria-label", next === "auto" ? "Theme: as the system" : `Theme: ${word}`);
});
const filter = document.getElementById("filter");
if (filter) {
  const list = document.getElementById("pictures");
  const all = [...list.children];
  const shown = document.getElementById("shown");
  const apply = () => {
    const wanted = new FormData(filter);
    const words = wanted.get("words").toLowerCase().split(/\s+/).filter(Boolean);
    const order = wanted.get("order");
    const rows = order === "run" ? all : [...all].sort((a, b) => b.dataset[order] - a.dataset[order]);
    let count = 0;
    for (const row of rows) {
      const data = row.dataset;
      row.hidden = (wanted.get("status") && data.status !== wanted.get("status"))
        || (wanted.has("changed") && data.changed !== "yes")
        || !words.every((word) => data.words.includes(word));
      count += !row.hidden;
      list.append(row);
    }
    shown.textContent = `${count} shown`;
  };
  filter.addEventListener("input", apply);
  filter.addEventListener("submit", (event) => event.preventDefault());
  const large = document.getElementById("large");
  list.addEventListener("click", (event) => {
    const button = event.target.closest(".open");
    if (!button) return;
    large.lastElementChild.replaceChildren(...[...button.children].map((each) => each.cloneNode(true)));
    large.setAttribute("aria-label", button.getAttribute("aria-label"));
    large.showModal();
  });
}
