// Numbers and moments as people read them.

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A span of time by its two largest units, such as `3 d 4 h`. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  let left = Math.round(seconds);
  const parts = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count) parts.push(`${count} ${unit}`);
    else if (parts.length) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** A span of time as a parameter takes it, such as `1h30m`. */
export function spanWord(seconds) {
  let left = seconds;
  let word = "";
  for (const [unit, size] of UNITS) {
    const count = size === 1 ? left : Math.floor(left / size);
    left -= count * size;
    if (count) word += `${count}${unit[0]}`;
  }
  return word || "0s";
}

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  let unit = 0;
  while (count >= 1024 && unit < BYTES.length - 1) {
    count /= 1024;
    unit += 1;
  }
  return `${count < 10 && unit ? count.toFixed(1) : Math.round(count)} ${BYTES[unit]}`;
}

export function percent(share) {
  if (share === null || share === undefined) return "–";
  return `${share < 10 ? share.toFixed(1) : Math.round(share)} %`;
}

const two = (number) => String(number).padStart(2, "0");

/** A moment (seconds since the epoch) in the browser's time zone: the time of day, with the date if it is not today. */
export function moment(seconds) {
  const at = new Date(seconds * 1000);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  if (at.toDateString() === new Date().toDateString()) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}
