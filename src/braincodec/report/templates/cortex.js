"use strict";
// A view of the cortex is put together from its parts when it comes near the screen, so that the page opens quickly.
{
  let data = null;
  const show = (figure) => {
    data ??= JSON.parse(document.getElementById("cortex-data").textContent);
    const chosen = (name) => figure.querySelector(`[data-choose=${name}]`).value;
    const parts = data.pages[`${figure.dataset.cortex}/${chosen("subject")}/${chosen("hemisphere")}`];
    figure.querySelector("iframe").srcdoc = parts.map((part, place) => (place % 2 ? data.shared[part] : part)).join("");
  };
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      show(entry.target);
    }
  }, { rootMargin: "200px" });
  for (const figure of document.querySelectorAll("figure.cortex")) {
    figure.querySelectorAll("select").forEach((select) => select.addEventListener("change", () => show(figure)));
    watcher.observe(figure);
  }
}
