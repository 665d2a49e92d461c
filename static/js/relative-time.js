// Keeps <time data-relative> true while a page stays open.
const format = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function words(at) {
  const distance = at - Date.now();
  const size = Math.abs(distance);
  if (size < 45_000) return "just now";
  if (size < HOUR) return format.format(Math.trunc(distance / MINUTE) || Math.sign(distance), "minute");
  if (size < DAY) return format.format(Math.trunc(distance / HOUR), "hour");
  if (size < 30 * DAY) return format.format(Math.trunc(distance / DAY), "day");
  return new Intl.DateTimeFormat(document.documentElement.lang || "en", { dateStyle: "medium" }).format(at);
}

function refresh() {
  for (const element of document.querySelectorAll("time[data-relative]")) {
    const at = new Date(element.dateTime);
    element.title ||= at.toLocaleString();
    const text = words(at);
    if (element.textContent !== text) element.textContent = text;
  }
}

refresh();
setInterval(refresh, MINUTE / 2);
document.addEventListener("htmx:load", refresh);
