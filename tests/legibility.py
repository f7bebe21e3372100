"""Contrast of the text of a page in a browser, measured from the colours that are drawn."""

from __future__ import annotations

from typing import Any

# of the contrast of text that WCAG asks for (AA)
LEAST_CONTRAST = 4.5
FEWEST_TEXTS = 20  # a page with fewer was not drawn

CONTRAST = """
(root) => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const pixel = (colour) => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const ground = (element) => {
    for (let place = element; place; place = place.parentElement) {
      const colour = pixel(getComputedStyle(place).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return pixel("white");
  };
  const light = (colour) => {
    const parts = colour.slice(0, 3).map((c) => c / 255);
    const [r, g, b] = parts.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = {};
  const texts = document.createTreeWalker(document.querySelector(root), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, style, svg, .unseen, [inert]")) continue;
    const [a, b] = [light(pixel(getComputedStyle(element).color)), light(ground(element))];
    found[texts.currentNode.data.trim().slice(0, 40)] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
  return found;
}
"""


def hard_to_read(page: Any, root: str = "body") -> dict[str, float]:
    """Text below `root` that has too little contrast, with its contrast."""
    found = page.evaluate(CONTRAST, root)
    assert len(found) > FEWEST_TEXTS
    return {text: ratio for text, ratio in found.items() if ratio < LEAST_CONTRAST}
