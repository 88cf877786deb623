// A small graph of the last minutes.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 28;
const MINUTES = 5;

/** The corners of a line through values, the last at the right edge; a gap where there is no value. */
export function paths(values, highest, count) {
  const step = WIDTH / (count - 1);
  const first = count - values.length;
  let path = "";
  let pen = "M";
  values.forEach((value, index) => {
    if (value === null) {
      pen = "M";
      return;
    }
    const y = HEIGHT - 1 - (value / highest) * (HEIGHT - 3);
    path += `${pen}${((first + index) * step).toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  return path;
}

export class Graph {
  /** `floor` is the least value that the graph's full height stands for, so that noise looks like noise. */
  constructor(label, floor, samples = 150) {
    this.label = label;
    this.floor = floor;
    this.samples = samples;
    this.node = document.createElementNS(SVG, "svg");
    this.node.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.node.setAttribute("preserveAspectRatio", "none");
    this.node.setAttribute("class", "graph");
    this.node.setAttribute("role", "img");
    this.line = document.createElementNS(SVG, "path");
    this.node.append(this.line);
  }

  show(values, format) {
    const known = values.filter((value) => value !== null);
    const most = Math.max(0, ...known);
    this.line.setAttribute("d", paths(values, Math.max(this.floor, most * 1.1), this.samples));
    this.node.setAttribute("aria-label", `${this.label}, last ${MINUTES} minutes: at most ${format(most)}`);
  }
}
