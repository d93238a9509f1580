// What the page does beyond links, forms and htmx. Everything here makes
// something better that already works without it.

import { countdown, relative } from "./words.js";

const root = document.documentElement;
root.classList.add("js");

const dialog = document.getElementById("dialog");
const dialogBody = document.getElementById("dialog-body");

const announce = (text) => {
  const line = document.getElementById("announce");
  line.textContent = "";
  requestAnimationFrame(() => { line.textContent = text; });
};

// Times: what is relative is kept true, and a hold counts down.

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "long" });

function tellTimes(within = document) {
  const now = Date.now();
  for (const time of within.querySelectorAll("time[data-relative]")) {
    const at = Date.parse(time.dateTime);
    if (!time.dataset.local) {
      time.title = exact.format(at);
      time.dataset.local = "yes";
    }
    const words = relative("soon" in time.dataset ? Math.max(at - now, 1) : at - now);
    if (time.textContent !== words) time.textContent = words;
  }
  for (const time of within.querySelectorAll("time[data-countdown]")) {
    const left = countdown(Date.parse(time.dateTime) - now);
    const words = left ? `in ${left}` : "Now";
    if (time.textContent !== words) time.textContent = words;
  }
}

setInterval(() => { if (!document.hidden) tellTimes(); }, 1000);
document.addEventListener("visibilitychange", () => tellTimes());

// The server writes exact times in the zone of the browser.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes(`dialnote_zone=${encodeURIComponent(zone)}`)) {
  document.cookie = `dialnote_zone=${encodeURIComponent(zone)}; path=/portal/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
}

// Copying: from an element's text, or from a template's.

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = source.content ? source.content.textContent : source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A frame may not be allowed to use the clipboard: a selection still can be.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  const label = button.dataset.label ??= button.textContent;
  button.textContent = "Copied";
  announce("Copied");
  clearTimeout(button.timer);
  button.timer = setTimeout(() => { button.textContent = label; }, 2000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

// Where the focus was, for when what had it is replaced: the ids of the element
// and of all that it is in, the nearest first.

const focusable = "a[href], button, input, select, textarea, summary";

function placesOf(element) {
  const ids = [];
  for (let e = element; e; e = e.parentElement) if (e.id && e.id !== "main") ids.push(e.id);
  return ids;
}

function focusIn(ids) {
  for (const id of ids) {
    const place = document.getElementById(id);
    const next = place?.matches(focusable) ? place : place?.querySelector(focusable);
    if (next) return next.focus();
  }
  document.getElementById("main").focus();
}

// What looks like a button is pressed like one, with the space bar too.

document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.defaultPrevented || !event.target.matches?.("a.button")) return;
  event.preventDefault(); // the page would scroll
  event.target.click();
});

// The dialog: htmx puts an answer into it, and then it opens. When it closes,
// the focus returns to what opened it, or to what has taken its place.

let opener = [];
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!dialog.open && event.detail.target === dialogBody) opener = placesOf(event.detail.elt);
});
document.addEventListener("close-dialog", () => dialog.close());

// In a frame as high as the page, its middle may be far from what the person
// sees. What part of the page that is, an observer says, in a frame too.
function place() {
  if (window.parent === window) return;
  new IntersectionObserver(([{ intersectionRect: seen }], observer) => {
    observer.disconnect();
    const edge = 16, room = seen.height - 2 * edge;
    if (room < 200) return; // as good as nothing is seen
    dialog.style.maxHeight = `${room}px`;
    dialog.style.marginTop = `${seen.top + edge + Math.max(0, room - dialog.offsetHeight) / 2}px`;
  }).observe(document.body);
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== dialogBody) return;
  const opens = !dialog.open;
  if (opens) dialog.showModal();
  place();
  const problem = dialogBody.querySelector("[role=alert]");
  const invalid = dialogBody.querySelector("[aria-invalid=true]");
  const preview = document.getElementById("preview"); // what was asked for is below what was typed
  const first = invalid ?? problem ?? preview ?? (opens ? dialogBody.querySelector("[autofocus]") : null);
  if (first) {
    if (first === problem || first === preview) first.tabIndex = -1;
    first.focus();
    if (first === preview) first.scrollIntoView();
  } else {
    const title = document.getElementById("dialog-title");
    title.tabIndex = -1;
    title.focus();
  }
  tellTimes(dialogBody);
});

document.addEventListener("click", (event) => {
  const close = event.target.closest("[data-close]");
  if (close && dialog.open && dialog.contains(close)) {
    event.preventDefault();
    dialog.close();
  }
});
dialog.addEventListener("close", () => {
  dialogBody.replaceChildren();
  if (document.activeElement === document.body) focusIn(opener);
});
// A click beside the sheet closes it, unless something was typed.
dialog.addEventListener("click", (event) => {
  if (event.target !== dialog || dialogBody.querySelector("form.touched")) return;
  const box = dialog.getBoundingClientRect();
  const outside = event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
  if (outside) dialog.close();
});
dialogBody.addEventListener("input", (event) => event.target.closest("form")?.classList.add("touched"));

// As-you-type checks: the server answers with the errors' texts; what is wrong
// is marked here, and only what was touched or already refused.

document.addEventListener("htmx:oobAfterSwap", (event) => {
  const line = event.detail.target?.isConnected ? event.detail.target : document.getElementById(event.detail.target?.id);
  if (!line?.id.endsWith("-error")) return;
  const field = document.getElementById(line.id.replace(/-error$/, ""));
  if (!field) return;
  const shown = field.dataset.touched || document.getElementById("form-problem");
  if (line.textContent.trim() && shown) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  if (!shown) line.replaceChildren();
});
document.addEventListener("input", (event) => { event.target.dataset.touched = "yes"; });

// An address holds only what is filtered.

document.addEventListener("htmx:configRequest", (event) => {
  const { verb, parameters } = event.detail;
  if (verb !== "get") return;
  for (const [name, value] of [...parameters.entries()]) if (value === "") parameters.delete(name);
});

// Live: the page says when the connection is lost, and reads everything again when it
// is back.

const state = document.querySelector(".link-state");
let opened = false;
const lost = () => {
  if (!state || state.classList.contains("lost")) return;
  state.classList.add("lost");
  state.textContent = "Connection lost. Trying again…";
};
document.addEventListener("htmx:sseOpen", () => {
  if (!state) return;
  const again = opened || state.classList.contains("lost");
  opened = true;
  state.classList.remove("lost");
  state.textContent = "Live";
  if (again) for (const part of document.querySelectorAll("[hx-trigger*=refresh]")) htmx.trigger(part, "refresh");
});

// News that come while a part of the page is being read again: htmx would refresh an
// element that has been replaced by then, which does nothing. So the element that
// replaced it is refreshed.
const late = new Set();
for (const news of ["sse:log", "sse:delivery", "sse:list", "sse:resync"]) {
  document.addEventListener(news, ({ target }) => {
    if (target.id && target.classList.contains("htmx-request")) late.add(target.id);
  }, { capture: true });
}
document.addEventListener("htmx:afterSettle", () => {
  for (const id of late) {
    const part = document.getElementById(id);
    if (part?.classList.contains("htmx-request")) continue;
    late.delete(id);
    if (part) htmx.trigger(part, "refresh");
  }
});
document.addEventListener("htmx:sseError", (event) => {
  lost();
  // A stream that is refused may be one of a session that has ended: then the
  // page says so.
  if (event.detail.source?.readyState === EventSource.CLOSED) {
    fetch(location.href, { method: "HEAD" }).then((answer) => { if (answer.status === 401) location.reload(); }, () => {});
  }
});
addEventListener("offline", lost);

// What went wrong is said where the person is: in the dialog, the card or the
// section whose button was pressed. A part of the page that cannot be read again
// stays as it is.

function complain(text, pressed) {
  document.getElementById("complaint")?.remove();
  const line = document.createElement("p");
  line.id = "complaint";
  line.setAttribute("role", "alert");
  line.textContent = text;
  const near = dialog.open ? dialogBody : pressed?.closest(".card, .panel");
  line.className = near ? "note bad" : "flash bad";
  if (dialog.open || !near) (near ?? document.getElementById("flash")).prepend(line);
  else (near.querySelector(".card-body") ?? near).append(line);
}

document.addEventListener("htmx:sendError", (event) => {
  const { requestConfig, elt, target } = event.detail;
  // A person who opened a dialog waits for it; a part that reads itself again will try
  // again.
  if (requestConfig?.verb !== "get" || target === dialogBody) complain(`${requestConfig.verb === "get" ? "Not opened" : "Not sent"}: the connection is lost. Try again in a moment.`, elt);
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr, requestConfig, elt } = event.detail;
  if (xhr.status < 400 || target === dialogBody) return;
  event.detail.shouldSwap = false;
  if (requestConfig?.verb !== "get" && xhr.status !== 401) complain("That did not work. Try again in a moment.", elt);
});
// A page that comes back from the browser's cache may be old.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// What was unfolded stays so when its card is replaced, and the focus stays as
// near as it can.

let unfolded = new Set();
let focused = null;

// A state that changes by itself is announced, in the words of its badge.

const states = () => new Map([...document.querySelectorAll(".card, .head, #delivery, #recovery")].map((part) => [
  part.id || "head", [part.querySelector("h1, h2")?.textContent, part.querySelector(".badge")?.textContent],
]));
let known = states();
function announceStates() {
  const now = states();
  const changed = [...now].filter(([id, [, state]]) => known.has(id) && known.get(id)[1] !== state);
  known = now;
  if (changed.length) announce(changed.map(([, [name, state]]) => `${name}: ${state}`).join(". "));
}

const remember = () => {
  unfolded = new Set([...document.querySelectorAll("details[id][open]")].map((d) => d.id));
  const element = document.activeElement;
  if (element && element !== document.body) focused = { element, places: placesOf(element) };
};
const restore = () => {
  for (const d of document.querySelectorAll("details[id]")) if (unfolded.has(d.id)) d.open = true;
  if (focused && !focused.element.isConnected && document.activeElement === document.body && !dialog.open) focusIn(focused.places);
  focused = null;
  tellTimes();
  announceStates();
};
document.addEventListener("htmx:sseBeforeMessage", remember);
document.addEventListener("htmx:beforeSwap", remember);
document.addEventListener("htmx:sseMessage", restore);
document.addEventListener("htmx:afterSettle", restore);

// In a frame: the page sends its height to the page that shows it. Browsers let only
// hosts that the policy names show it. Where a browser does not say which host it is,
// the height is sent to each host that is named exactly; the browser delivers it to
// the right one alone.

const named = document.querySelector("meta[name=dialnote-embedders]")?.content.split(" ") ?? [];
if (window.parent !== window && named.length) {
  const embedders = location.ancestorOrigins?.length ? [location.ancestorOrigins[0]] :
    named.filter((host) => !host.includes("*")).map((host) => (host.includes("://") ? host : `${location.protocol}//${host}`));
  const tell = () => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    for (const origin of embedders) window.parent.postMessage({ type: "dialnote:height", height }, origin);
  };
  new ResizeObserver(tell).observe(document.body);
  tell();
}

tellTimes();
