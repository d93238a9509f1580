// What the walks share: a browser, the service's API, and the receiver.

import assert from "node:assert/strict";
import fs from "node:fs";
import { chromium } from "playwright-core";

export const { BASE, TOKEN, RECEIVER, STORYBOOK, CONTROL } = process.env;

// patience bounds a failure; what succeeds takes a moment.
export const patience = 45_000;

let browser;

// open returns a new window of the browser. What the page complains of, such as
// something that the content security policy forbids, fails the walk.
export async function open(options = {}) {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("dialog", (dialog) => { page.complaints.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("console", (message) => {
    const text = message.text();
    // An answer that says no, and a connection that was cut, are meant.
    if (message.type() === "error" && !/status of (4|5)\d\d|ERR_(CONNECTION|INCOMPLETE|EMPTY)|^htmx:|^\[object Event\]$/i.test(text)) page.complaints.push(text);
  });
  return page;
}

export async function close() { await browser?.close(); }

// done fails the walk when the page complained, and closes the window.
export async function done(page) {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}

// api calls the JSON API as the platform's back end.
export async function api(method, path, body) {
  const answer = await fetch(`${BASE}/v1/organizations/${path}`, {
    method, headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" }, body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path} answered ${answer.status}: ${text}`);
  return text ? JSON.parse(text) : undefined;
}

// organization returns the name of a new organization.
export const organization = () => `org-${crypto.randomUUID().slice(0, 8)}`;

// enter opens the page for a person of an organization.
export async function enter(page, org, person = "Dana Whitfield", query = "") {
  const { url } = await api("POST", `${org}/portal-links`, { actor: person });
  await page.goto(url);
  if (query) await page.goto(`${BASE}/portal/${query}`);
}

// hook makes a webhook over the API and returns it with its secret.
export async function hook(org, path, more = {}) {
  return api("POST", `${org}/webhooks`, { name: "CRM Call Sync", provider: "custom", url: RECEIVER + path, event: "call.completed", ...more });
}

export const call = { callSid: "CA1", direction: "inbound", phoneNumber: "+15551234567", status: "completed", duration: 180 };

// happens publishes an event and returns its id.
export async function happens(org, type = "call.completed", data = call) {
  return (await api("POST", `${org}/events`, { type, data })).id;
}

// behave has a path of the receiver behave otherwise; "" gives it its own back.
export async function behave(path, behaviour) {
  const answer = await fetch(`${RECEIVER}/_hooklab/behaviour`, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ path, behaviour }) });
  assert.ok(answer.ok, await answer.text());
}

// received returns what a path of the receiver got.
export async function received(path) {
  return (await fetch(`${RECEIVER}/_hooklab/requests?path=${encodeURIComponent(path)}`)).json();
}

// until waits until ask returns something true, and returns it.
export async function until(what, ask) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) assert.fail(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// card returns the card with a name.
export const card = (page, name) => page.getByRole("article", { name, exact: true });

// fact returns one fact of a card.
export const fact = (page, name, term) => card(page, name).locator(".facts > div", { has: page.locator("dt", { hasText: term }) }).locator("dd");

// says waits until an element says a text.
export async function says(locator, text) {
  await until(`“${text}”`, async () => {
    const now = await locator.allInnerTexts().catch(() => []);
    return now.some((t) => (text instanceof RegExp ? text.test(t) : t.includes(text)));
  }).catch(async (error) => {
    throw new Error(`${error.message}; it says ${JSON.stringify(await locator.allInnerTexts().catch(String))}`);
  });
}

// live waits until the page hears what happens.
export const live = (page) => says(page.locator(".link-state"), "Live");

const axeSource = fs.readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

// accessible fails the walk when axe finds something against the page, in the
// light or in the dark.
export async function accessible(page, where) {
  await page.evaluate(axeSource);
  await obeys(page, where);
  await page.emulateMedia({ colorScheme: "dark" });
  await obeys(page, `${where}, dark`, ["color-contrast", "link-in-text-block"]); // nothing else depends on it
  await page.emulateMedia({ colorScheme: "light" });
}

// obeys asks axe about the page; about these rules only, when some are given.
async function obeys(page, where, rules) {
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(document, {
    resultTypes: ["violations"], ...rules && { runOnly: { type: "rule", values: rules } },
  }), rules);
  assert.deepEqual(violations.map((v) => `${where}: ${v.id}: ${v.nodes.map((n) => `${n.target} (${n.failureSummary})`).join("; ")}`), []);
}
