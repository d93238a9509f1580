// Other ways through the page: without scripts, and without a mouse.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { BASE, RECEIVER, accessible, api, behave, card, close, done, enter, fact, happens, hook, live, open, organization, received, says, until } from "../walk.mjs";

after(close);

// again reads the page again until it says so: without scripts nothing is live.
const again = (page, what, ask) => until(what, async () => { await page.reload(); return ask(); });

test("without scripts everything that can be done is done: webhooks", async () => {
  const page = await open({ javaScriptEnabled: false });
  const org = organization(), path = `/ok/${org}`;
  await enter(page, org);
  await page.getByRole("link", { name: "Add Webhook" }).click();
  await page.getByLabel("Webhook URL").fill("ftp://example.com");
  await page.getByRole("button", { name: "Create webhook" }).click();
  await says(page.locator("#name-error"), "The name is required.");
  await says(page.locator("#url-error"), "The URL must start with https://.");
  await page.getByLabel("Name", { exact: true }).fill("CRM Call Sync");
  await page.getByLabel("Webhook URL").fill(RECEIVER + path);
  await page.getByRole("radio", { name: "Send notes" }).check();
  await page.getByText("More options").click();
  await page.getByLabel("Name of header 1").fill("x-make-apikey");
  await page.getByLabel("Value of header 1").fill("s3cret");
  await page.getByRole("button", { name: "Create webhook" }).click();
  await page.getByRole("heading", { name: "Your webhook is ready" }).waitFor();
  const secret = await page.locator("#the-secret").innerText();
  assert.equal(await page.locator(".js-only:visible").count(), 0, "nothing is shown that needs scripts");
  await page.locator("summary", { hasText: /^Ruby$/ }).click();
  await says(page.getByLabel("Code in Ruby that verifies"), "sha256=");

  // Test, with the payload changed, and a preview of it.
  await page.getByRole("button", { name: "Test" }).click();
  await page.getByRole("heading", { name: /Delivered: your endpoint answered 200 OK/ }).waitFor();
  await page.getByText("Request and response").click();
  await says(page.locator("#test"), "x-make-apikey");
  await page.getByText("Test again with another payload").click();
  await page.getByLabel("Sample data").fill('{"noteId":"n-mine","conversationId":"c1","body":"Hello","authorId":"u1","createdAt":"2026-11-23T10:00:00Z"}');
  await page.getByRole("button", { name: "Preview the signed request" }).click();
  await says(page.locator("#preview"), "X-DialNote-Signature");
  await says(page.locator("#preview"), "n-mine");
  await page.getByRole("button", { name: "Send test" }).click();
  await page.getByRole("heading", { name: /Delivered/ }).waitFor();
  assert.equal(JSON.parse((await received(path)).at(-1).body).data.noteId, "n-mine");
  await page.getByText("Request and response").click();
  await page.getByRole("link", { name: "This test in the delivery log" }).click();
  await says(page.locator("#delivery"), "n-mine");

  await page.getByRole("link", { name: "Secret and code" }).click();
  await page.getByRole("button", { name: "Show secret" }).click();
  assert.equal(await page.locator("#the-secret").innerText(), secret);

  // Edit, and disable by hand.
  await page.goto(`${BASE}/portal/`);
  await card(page, "CRM Call Sync").getByRole("link", { name: "Edit" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Lead Alerts");
  await page.getByRole("radio", { name: "Disabled" }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await says(page.locator("#flash"), "The webhook was saved.");
  await says(card(page, "Lead Alerts"), "Nothing is sent");
  await card(page, "Lead Alerts").getByRole("link", { name: "Edit" }).click();
  await page.getByRole("radio", { name: "Send call logs" }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await says(card(page, "Lead Alerts"), "Active");

  await card(page, "Lead Alerts").getByRole("link", { name: "Delete" }).click();
  await page.getByRole("link", { name: "Cancel" }).click();
  await card(page, "Lead Alerts").getByRole("link", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete webhook" }).click();
  await says(page.locator("#flash"), "The webhook was deleted.");
  await done(page);
});

test("without scripts everything that can be done is done: failures, the log, recovery", async () => {
  const page = await open({ javaScriptEnabled: false });
  const org = organization(), path = `/ok/${org}`;
  const { id } = await hook(org, path);
  const first = await happens(org);
  await until("the first event", async () => (await received(path)).length === 1);
  await behave(path, "status/404");
  const missed = await happens(org);
  await enter(page, org);
  await again(page, "the end of trying", async () => (await card(page, "CRM Call Sync").innerText()).includes("Disabled automatically"));
  await says(card(page, "CRM Call Sync"), "Server answered 404 Not Found");
  await card(page, "CRM Call Sync").getByText("Why did it fail?").click();
  await says(card(page, "CRM Call Sync"), "404 or 405: check the path");
  await happens(org);
  await again(page, "held events", async () => await fact(page, "CRM Call Sync", "Held events").innerText() === "2 events");

  // The log: filtered, and back; one delivery; made again.
  await card(page, "CRM Call Sync").getByRole("link", { name: "Deliveries" }).click();
  await page.getByLabel("Status").selectOption("delivered");
  await page.getByRole("button", { name: "Filter" }).click();
  assert.equal(new URL(page.url()).searchParams.get("status"), "delivered");
  await says(page.locator("#log"), first);
  assert.ok(!(await page.locator("#log").innerText()).includes(missed));
  await page.goBack();
  await says(page.locator("#log"), missed);
  await page.getByText("More filters").click();
  await page.getByLabel("Event id").fill(first);
  await page.getByRole("button", { name: "Filter" }).click();
  assert.equal(await page.locator("#log tbody tr").count(), 1);
  await page.getByRole("link", { name: "Call ended" }).click();
  await says(page.locator("#delivery"), "Attempt 1");
  await says(page.getByLabel("Payload", { exact: true }), first);
  await page.getByText("As a cURL command").click();
  await says(page.getByLabel("cURL command"), "curl -X POST");
  await behave(path, "");

  await page.goto(`${BASE}/portal/`);
  await card(page, "CRM Call Sync").getByRole("link", { name: "Enable" }).click();
  await page.getByText("Discard them").click();
  await page.getByRole("button", { name: "Enable" }).click();
  await says(page.locator("#flash"), "It sends events from now on.");
  await page.goBack();
  await page.goto(`${BASE}/portal/webhooks/${id}`);
  await page.locator(`tr:has-text("${first}")`).getByRole("link").click();
  await page.getByRole("button", { name: "Redeliver" }).click();
  await says(page.locator("#flash"), "The delivery is made again.");
  await again(page, "the second attempt", async () => (await page.locator("#delivery").innerText()).includes("Attempt 2"));

  // What was discarded is recovered: the preview reads itself again.
  await page.getByRole("link", { name: "Recover" }).click();
  await page.getByText("Last hour").click();
  await page.getByRole("button", { name: "Preview" }).click();
  await says(page.locator("#recovery"), "2 missed events would be delivered.");
  await page.getByRole("button", { name: "Recover 2 events" }).click();
  await says(page.locator("#recovery"), "2 missed events queued for delivery.");
  await until("the missed event", async () => (await received(path)).some((r) => r.status === 200 && JSON.parse(r.body).id === missed));

  const sent = (await received(path)).find((r) => JSON.parse(r.body).id === first);
  await page.getByRole("link", { name: "Signature checker" }).click();
  await page.getByLabel("Signature header, or all headers").fill(sent.header["X-Dialnote-Signature"][0]);
  await page.getByLabel("Body").fill(sent.body);
  await page.getByRole("button", { name: "Check" }).click();
  await says(page.locator("#findings"), "The signature matches");
  await done(page);
});

test("without scripts everything that can be done is done: keys, and leaving", async () => {
  const page = await open({ javaScriptEnabled: false });
  const org = organization();
  await enter(page, org, "Anna");
  await page.getByRole("button", { name: "Show Key" }).click();
  const key = await page.locator("#zapier-key").innerText();
  await page.getByRole("link", { name: "Rotate key" }).click();
  await page.getByRole("button", { name: "Rotate key" }).click();
  await says(page.locator("#zapier"), "This is the new key.");
  assert.notEqual(await page.locator("#zapier-key").innerText(), key);
  await page.getByRole("link", { name: "API keys" }).click();
  await page.getByLabel("Name of a new key").fill("Reporting");
  await page.getByRole("button", { name: "Create key" }).click();
  assert.match(await page.locator("#the-key").innerText(), /^dnk_/);
  await page.getByRole("link", { name: "Revoke Reporting" }).click();
  await page.getByRole("button", { name: "Revoke key" }).click();
  await says(page.locator("#flash"), "The key was revoked.");
  await page.getByRole("link", { name: "Audit log" }).click();
  await page.getByLabel("Action").selectOption({ label: "API key created" });
  await page.getByRole("button", { name: "Filter" }).click();
  assert.equal(await page.locator("#entries tbody tr").count(), 1);
  await page.getByText("Details").click();
  await says(page.locator("#entries"), "Reporting");
  await page.getByRole("button", { name: "Leave" }).click();
  await page.getByRole("heading", { name: "Open this page from dialnote" }).waitFor();
  await done(page);
});

// tab presses Tab until the focus is on the element with this name, and fails when the
// focus comes back to where it began.
async function tab(page, name, key = "Tab") {
  const where = () => page.evaluate(() => {
    const e = document.activeElement;
    const label = e.getAttribute("aria-label") ?? e.labels?.[0]?.querySelector("b")?.innerText ?? e.labels?.[0]?.innerText ?? e.innerText;
    const { outlineStyle } = getComputedStyle(e.closest(".choice") ?? e);
    return { name: label?.trim(), seen: outlineStyle !== "none" };
  });
  const passed = [];
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press(key);
    const now = await where();
    if (now.name === name) {
      assert.ok(now.seen, `the focus on ${name} is seen`);
      return;
    }
    passed.push(now.name);
  }
  assert.fail(`no way to ${name} by ${key}: ${passed.join(" | ")}`);
}

test("without a mouse: from adding a webhook to recovering", async () => {
  const page = await open();
  const org = organization(), path = `/ok/${org}`;
  const press = (key) => page.keyboard.press(key);
  await enter(page, org);
  await tab(page, "Skip to the content");
  await press("Enter");
  await tab(page, "Add Webhook");
  await press("Space");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await page.keyboard.type("CRM Call Sync");
  await tab(page, "Custom Webhook");
  await press("ArrowUp");
  assert.ok(await dialog.getByRole("radio", { name: "Zapier" }).isChecked(), "arrows choose");
  await press("ArrowDown");
  await tab(page, "Webhook URL");
  await page.keyboard.type(RECEIVER + path);
  await tab(page, "Send call logs");
  await tab(page, "Create webhook");
  await press("Enter");
  await page.getByRole("heading", { name: "Your webhook is ready" }).waitFor();
  await tab(page, "Test");
  await press("Space");
  await dialog.getByRole("heading", { name: /Delivered/ }).waitFor();
  await tab(page, "Test again with another payload");
  await press("Space");
  await tab(page, "Preview the signed request");
  await press("Enter");
  await says(dialog, "Exactly what would be sent now");
  assert.equal(await page.evaluate(() => document.activeElement.id), "preview", "the focus is on what was asked for");
  await press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await until("the focus back where it was", () => page.evaluate(() => document.activeElement.innerText === "Test"));
  await tab(page, "To all webhooks");
  await press("Enter");
  await live(page);

  const first = await happens(org);
  await says(fact(page, "CRM Call Sync", "Last sent"), "just now");
  await behave(path, "status/404");
  const missed = await happens(org);
  await says(card(page, "CRM Call Sync"), "Disabled automatically");
  await behave(path, "");
  await tab(page, "Why did it fail?");
  await press("Space");
  await says(card(page, "CRM Call Sync"), "404 or 405: check the path");
  await tab(page, "Enable");
  await press("Space");
  await dialog.waitFor();
  await press("ArrowDown");
  await tab(page, "Enable");
  await press("Enter");
  await says(page.locator("#flash"), "It sends events from now on.");

  await tab(page, "Deliveries");
  await press("Enter");
  await says(page.locator("#log"), first);
  await live(page);
  await tab(page, "Status");
  await page.keyboard.type("Deliv");
  await until("the filter", async () => new URL(page.url()).search === "?status=delivered" && !(await page.locator("#log").innerText()).includes(missed));
  await tab(page, "Call ended");
  await press("Enter");
  await says(page.locator("#delivery"), "Attempt 1");
  await tab(page, "Redeliver");
  await press("Enter");
  await says(page.locator("#flash"), "The delivery is made again.");
  await says(page.locator("#delivery"), "Attempt 2");
  await tab(page, "Recover");
  await press("Enter");
  await page.getByRole("heading", { name: "Recover what was missed" }).waitFor();
  await tab(page, "Preview");
  await press("Enter");
  await says(page.locator("#recovery"), "1 missed event would be delivered.");
  await tab(page, "Recover 1 event");
  await press("Enter");
  await says(page.locator("#recovery"), "1 missed event queued for delivery.");
  await until("the missed event", async () => (await received(path)).some((r) => r.status === 200 && JSON.parse(r.body).id === missed));
  await done(page);
});
