// Adds the requests that follow; everything else works without a script.
"use strict";

const part = document.getElementById("request-table");
const rows = document.getElementById("request-rows");
const box = document.getElementById("live");
const state = document.getElementById("live-state");
const query = new URL(part.dataset.source, document.baseURI);
let source = null;

function add(cells) {
  const row = document.createElement("tr");
  cells.forEach((text, index) => {
    const cell = document.createElement(index ? "td" : "th");
    if (!index) cell.scope = "row";
    cell.textContent = text;
    row.append(cell);
  });
  rows.prepend(row);
  while (rows.rows.length > Number(part.dataset.shown)) rows.lastElementChild.remove();
  part.hidden = false;
  document.getElementById("no-requests").hidden = true;
}

function follow() {
  source = new EventSource(query);
  source.onopen = () => { state.textContent = "Live."; };
  source.onerror = () => { state.textContent = "No connection to the sandbox. Trying again."; };
  source.onmessage = (event) => {
    query.searchParams.set("after", event.lastEventId);
    JSON.parse(event.data).forEach(add);
  };
}

box.addEventListener("change", () => {
  if (box.checked) return follow();
  source.close();
  state.textContent = "Paused.";
});
document.getElementById("live-control").hidden = false;
follow();
