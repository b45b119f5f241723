"use strict";
const shades = JSON.parse(document.getElementById("data").textContent).shades;

// White in the middle, red above it, blue below; dark text keeps a contrast of at least 4.5 on all of them.
function colour(shade) {
  const part = Math.abs(shade) / 100;
  const end = shade > 0 ? [255, 110, 95] : [95, 160, 255];
  return `rgb(${end.map((value) => Math.round(255 + (value - 255) * part)).join(" ")})`;
}

document.querySelectorAll(".context").forEach((context, number) => {
  Array.from(context.children).forEach((token, index) => {
    token.style.backgroundColor = colour(shades[number][index]);
  });
});
