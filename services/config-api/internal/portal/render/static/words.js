// Times in words, as the server writes them (view/moment.go).

const units = [
  ["year", 365 * 86400], ["month", 30 * 86400, 45 * 86400], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1, 5],
];

// distance writes milliseconds in their largest fitting unit, "" below 5 seconds.
export function distance(ms) {
  const seconds = Math.floor(Math.abs(ms) / 1000);
  for (const [unit, size, least = size] of units) {
    if (seconds >= least) {
      const n = Math.floor(seconds / size);
      return `${n} ${unit}${n === 1 ? "" : "s"}`;
    }
  }
  return "";
}

// relative writes how far away a time is.
export function relative(ms) {
  const words = distance(ms);
  if (!words) return ms <= 0 ? "just now" : "in a moment";
  return ms <= 0 ? `${words} ago` : `in ${words}`;
}

// countdown writes what is left, "" when nothing is.
export function countdown(ms) {
  const left = Math.round(ms / 1000);
  if (left <= 0) return "";
  const hours = Math.floor(left / 3600), minutes = Math.floor(left / 60) % 60, seconds = left % 60;
  if (hours) return `${hours} h ${minutes} min`;
  if (minutes) return `${minutes} min ${seconds} s`;
  return `${seconds} s`;
}
