// No colour in the middle (0), red above it (to 100), blue below (to −100).
const colour = (value) => mixed(shade("ground"), shade(value > 0 ? "hot" : "cold"), Math.abs(value) / 100);

function paint() {
  const colours = Array.from({ length: 201 }, (_, step) => colour(step - 100));
  document.querySelectorAll(".context").forEach((context, number) => {
    Array.from(context.children).forEach((token, index) => {
      token.style.backgroundColor = colours[data.shades[number][index] + 100];
    });
  });
}

rove(Array.from(document.querySelectorAll("li")));
onShadesChanged(paint);
paint();
