// A small graph of the last minutes.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 28;
const SECONDS = 300;

/** A line through points `[at, value]`, the last of which is at the right edge; a gap where there is no value. */
export function path(points, highest) {
  const now = points.at(-1)?.[0];
  let line = "";
  let pen = "M";
  for (const [at, value] of points) {
    const x = WIDTH * (1 - (now - at) / SECONDS);
    if (value === null || x < 0) {
      pen = "M";
      continue;
    }
    const y = HEIGHT - 1 - (value / highest) * (HEIGHT - 3);
    line += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  return line;
}

export class Graph {
  /** `floor` is the least value that the graph's full height stands for, so that noise looks like noise. */
  constructor(label, floor) {
    this.label = label;
    this.floor = floor;
    this.node = document.createElementNS(SVG, "svg");
    this.node.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.node.setAttribute("preserveAspectRatio", "none");
    this.node.setAttribute("class", "graph");
    this.node.setAttribute("role", "img");
    this.line = document.createElementNS(SVG, "path");
    this.node.append(this.line);
  }

  show(points, format) {
    const most = points.reduce((most, [, value]) => Math.max(most, value ?? 0), 0);
    this.line.setAttribute("d", path(points, Math.max(this.floor, most * 1.1)));
    this.node.setAttribute("aria-label", `${this.label} in the last ${SECONDS / 60} minutes: at most ${format(most)}`);
  }
}
