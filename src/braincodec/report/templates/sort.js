"use strict";
// Tables can be sorted by a column: a small button beside each heading. Without this script they are as they are.
for (const table of document.querySelectorAll("table.data")) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  table.querySelectorAll("thead th").forEach((head) => {
    const column = head.cellIndex;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.setAttribute("aria-label", "Sort by " + head.textContent.trim());
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "descending";
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.sort;
      const compare = (a, b) => {
        const [first, second] = [key(a), key(b)];
        if (first === "" || second === "") return (first === "") - (second === ""); // unknown values come last
        const difference = head.classList.contains("number") ? first - second : first.localeCompare(second, "en", { numeric: true });
        return down ? difference : -difference;
      };
      body.append(...[...body.rows].sort(compare));
    });
    head.append(" ", button);
  });
}
