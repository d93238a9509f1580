// The journeys of the help page, one by one.

import assert from "node:assert/strict";
import crypto from "node:crypto";
import { execFileSync } from "node:child_process";
import { after, test } from "node:test";
import { BASE, RECEIVER, accessible, api, behave, card, close, done, enter, fact, happens, hook, live, open, organization, received, says, until } from "../walk.mjs";

after(close);

// The function of the help page, as customers copy it.
function verifySignature(payload, signature, secret) {
  const expectedSignature = 'sha256=' +
    crypto.createHmac('sha256', secret)
      .update(JSON.stringify(payload))
      .digest('hex');

  return signature === expectedSignature;
}

test("setting up a webhook, testing it, and receiving a signed event", async () => {
  const page = await open({ permissions: ["clipboard-read", "clipboard-write"] });
  const org = organization(), path = `/ok/${org}`;
  await enter(page, org);
  await accessible(page, "no webhooks yet");
  await page.getByRole("link", { name: "Add Webhook" }).click();
  const dialog = page.getByRole("dialog", { name: "Add Webhook" });
  await dialog.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "name", "the focus is in the first field");
  for (const label of ["Zapier", "Custom Webhook", "Send call logs", "Send call recordings", "Send notes", "Disabled"]) {
    assert.equal(await dialog.getByRole("radio", { name: label }).count(), 1, label);
  }
  // What was refused stays marked while something else is corrected.
  await dialog.getByRole("button", { name: "Create webhook" }).click();
  await says(dialog.locator("#name-error"), "The name is required.");
  await dialog.getByLabel("Webhook URL").fill("ftp://example.com");
  await says(dialog.locator("#url-error"), "The URL must start with https://.");
  assert.equal(await dialog.getByLabel("Name", { exact: true }).getAttribute("aria-invalid"), "true");
  await says(dialog.locator("#name-error"), "The name is required.");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });

  // What is wrong is said while it is typed, of what was touched only, from the
  // moment at which the fresh form is seen.
  await page.evaluate(() => {
    new MutationObserver((_, observer) => {
      observer.disconnect();
      const url = document.getElementById("url");
      url.value = "ftp://example.com";
      url.dispatchEvent(new Event("input", { bubbles: true }));
    }).observe(document.getElementById("dialog"), { attributes: true, attributeFilter: ["open"] });
  });
  await page.getByRole("link", { name: "Add Webhook" }).click();
  await says(dialog.locator("#url-error"), "The URL must start with https://.");
  assert.equal(await dialog.locator("#name-error").innerText(), "");
  assert.equal(await dialog.getByLabel("Webhook URL").getAttribute("aria-invalid"), "true");
  await dialog.getByLabel("Webhook URL").fill(RECEIVER + path);
  await until("the error to go", async () => await dialog.locator("#url-error").innerText() === "");
  await dialog.getByLabel("Name", { exact: true }).fill("x".repeat(101));
  await says(dialog.locator("#name-error"), "101 characters, at most 100");
  await dialog.getByLabel("Name", { exact: true }).fill("CRM Call Sync");
  await until("the error to go", async () => await dialog.locator("#name-error").innerText() === "");
  await dialog.getByRole("radio", { name: "Send call logs" }).check();
  await dialog.getByRole("button", { name: "Create webhook" }).click();

  await page.getByRole("heading", { name: "Your webhook is ready" }).waitFor();
  const secret = await page.locator("#the-secret").innerText();
  assert.match(secret, /^whsec_/);
  await page.locator("[data-copy=the-secret]").click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
  for (const language of ["Node", "Python", "Go", "PHP", "Ruby"]) {
    if (language !== "Node") await page.locator("summary", { hasText: new RegExp(`^${language}$`) }).click(); // Node's is open
    assert.match(await page.getByLabel(`Code in ${language} that verifies`).innerText(), /sha256=[^]*v1,/);
  }
  await accessible(page, "after creating");

  await page.getByRole("button", { name: "Test" }).click();
  await page.getByRole("dialog").getByRole("heading", { name: /Delivered: your endpoint answered 200 OK/ }).waitFor();
  await accessible(page, "a test");
  await page.getByRole("link", { name: "Done" }).click();
  await page.getByRole("link", { name: "To all webhooks" }).click();
  await live(page);
  assert.equal(await fact(page, "CRM Call Sync", "Last sent").innerText(), "Never", "a test is no delivery");

  const id = await happens(org);
  await says(fact(page, "CRM Call Sync", "Last sent"), "just now");
  await says(card(page, "CRM Call Sync").locator("figcaption"), "1 sent in 24 hours");
  assert.equal(await fact(page, "CRM Call Sync", "Failure count").innerText(), "0 of 3");
  const [first, second] = await received(path);
  assert.match(JSON.parse(first.body).id, /^evt_test_/);
  const payload = JSON.parse(second.body);
  assert.equal(payload.id, id);
  assert.ok(verifySignature(payload, second.header["X-Dialnote-Signature"][0], secret), "the help page's function accepts it");
  await accessible(page, "the cards");
  await done(page);
});

test("Zapier: the provider, its key, and rotating it", async () => {
  const page = await open();
  const org = organization();
  await enter(page, org);
  const me = async (key) => (await fetch(`${BASE}/v1/zapier/me`, { headers: { "X-DIALNOTE-API-KEY": key } })).status;
  await page.getByRole("button", { name: "Show Key" }).click();
  const key = await page.locator("#zapier-key").innerText();
  await until("the focus", () => page.evaluate(() => document.activeElement.innerText === "Copy"));
  assert.equal(await me(key), 200);
  await page.getByRole("link", { name: "Rotate key" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Rotate key" }).click();
  await until("a new key", async () => await page.locator("#zapier-key").innerText() !== key);
  assert.equal(await page.getByRole("dialog").count(), 0, "the dialog is closed");
  assert.equal(await me(key), 401, "the old key stops at once");
  assert.equal(await me(await page.locator("#zapier-key").innerText()), 200);

  await page.getByRole("link", { name: "Add Webhook" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("Calls to Sheets");
  await dialog.getByLabel("Webhook URL").fill("https://hooks.zapier.com/hooks/standard/1/abc/");
  await says(dialog.locator("#offer"), "This URL belongs to Zapier: choose the provider Zapier");
  await dialog.getByRole("radio", { name: "Zapier" }).check();
  await until("the offer to go", async () => await dialog.locator("#offer").innerText() === "");
  await dialog.getByLabel("Webhook URL").fill("https://example.com/hook");
  await says(dialog.locator("#url-error"), "hooks.zapier.com");
  await dialog.getByLabel("Webhook URL").fill("https://hooks.zapier.com/hooks/standard/1/abc/");
  await dialog.getByRole("button", { name: "Create webhook" }).click();
  await page.getByRole("link", { name: "To all webhooks" }).click();
  await says(card(page, "Calls to Sheets"), "Zapier");
  await done(page);
});

test("auto-disable on failures, and enabling, on an open page", async () => {
  const page = await open();
  const org = organization(), path = `/ok/${org}`;
  const { id } = await hook(org, path);
  await enter(page, org);
  await live(page);
  const log = await page.context().newPage();
  await log.goto(`${BASE}/portal/webhooks/${id}`);
  await live(log);
  await behave(path, "status/503");
  await Promise.all([happens(org), happens(org)]); // at once: one still has a retry to come when the other disables
  const it = card(page, "CRM Call Sync");
  await says(page.locator("#announce"), "CRM Call Sync: On hold");
  await says(it, "On hold");
  await says(fact(page, "CRM Call Sync", "Next attempt"), /in \d s|Now/);
  await says(it, "Last error");
  await says(it, "Server answered 503 Service Unavailable");
  await it.locator("summary", { hasText: "Why did it fail?" }).click();
  await says(it, "The server answered with a 5xx status");
  await says(page.locator("#announce"), "CRM Call Sync: Disabled automatically");
  await says(it, "Disabled automatically");
  await says(it, "It failed 3 times in a row.");
  assert.equal(await fact(page, "CRM Call Sync", "Failure count").innerText(), "3 of 3");
  assert.equal(await it.locator("details.why").getAttribute("open"), "", "what was unfolded stays so");
  assert.equal(await it.getByRole("button", { name: "Test" }).count(), 0);
  await until("the focus to stay", () => page.evaluate(() => document.activeElement.innerText === "Why did it fail?"));
  await says(log.locator("#state"), "Disabled automatically");
  await until("the log to promise no attempt", async () => !/Retrying|Next attempt|tried again soon/.test(await log.locator("#log").innerText()));
  await happens(org);
  await says(fact(page, "CRM Call Sync", "Held events"), "3 events");
  await accessible(page, "disabled automatically");

  // It is repaired, and enabled by keyboard alone.
  await behave(path, "");
  await it.getByRole("link", { name: "Enable" }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Enable CRM Call Sync" });
  await dialog.waitFor();
  await says(dialog, "3 events happened meanwhile");
  await accessible(page, "enabling");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.innerText), "Enable");
  await page.keyboard.press("Enter");
  await says(page.locator("#flash"), "The webhook is enabled.");
  await says(it, "Active");
  await says(fact(page, "CRM Call Sync", "Held events"), "None");
  await says(fact(page, "CRM Call Sync", "Failure count"), "0 of 3");
  await says(it, "before the last successful delivery");
  const events = new Set((await until("the held events", async () => {
    const list = (await received(path)).filter((r) => r.status === 200);
    return list.length >= 3 && list;
  })).map((r) => JSON.parse(r.body).id));
  assert.equal(events.size, 3);
  await done(page);
});

test("editing, disabling and deleting by keyboard", async () => {
  const page = await open();
  const org = organization();
  await hook(org, `/ok/${org}`);
  await enter(page, org);
  const edit = card(page, "CRM Call Sync").getByRole("link", { name: "Edit" });
  await edit.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await accessible(page, "editing");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.ok(await edit.evaluate((e) => e === document.activeElement), "the focus is back where it was");
  await page.keyboard.press("Enter");
  await dialog.waitFor();
  await dialog.getByLabel("Name", { exact: true }).fill("");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByRole("alert").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "name", "the focus is in the wrong field");
  await dialog.getByLabel("Name", { exact: true }).fill("Lead Alerts");
  await dialog.locator("summary", { hasText: "More options" }).click();
  await dialog.getByLabel("Name of header 1").fill("Content-Type");
  await dialog.getByLabel("Value of header 1").fill("text/plain");
  await dialog.getByRole("button", { name: "Save" }).click();
  await until("the focus", () => page.evaluate(() => document.activeElement.name === "headerName"));
  await dialog.getByLabel("Name of header 1").fill("");
  await dialog.getByLabel("Value of header 1").fill("");
  await dialog.getByLabel("Name", { exact: true }).fill("Lead Alerts");
  await dialog.getByRole("radio", { name: "Disabled" }).check();
  await dialog.getByRole("button", { name: "Save" }).click();
  await says(page.locator("#flash"), "The webhook was saved.");
  await says(card(page, "Lead Alerts"), "Nothing is sent");

  await card(page, "Lead Alerts").getByRole("link", { name: "Delete" }).focus();
  await page.keyboard.press("Enter");
  await says(dialog, "This can't be undone.");
  await accessible(page, "deleting");
  assert.equal(await page.evaluate(() => document.activeElement.innerText), "Cancel", "what cannot be undone is not the default");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await says(page.locator("#flash"), "The webhook was deleted.");
  await page.getByRole("heading", { name: "Tell your systems when a call ends" }).waitFor();
  await done(page);
});

test("a test that fails, and one with a payload of one's own", async () => {
  const page = await open();
  const org = organization(), path = `/status/404/${org}`;
  await hook(org, path);
  await enter(page, org);
  await card(page, "CRM Call Sync").getByRole("button", { name: "Test" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("heading", { name: "Not delivered: Server answered 404 Not Found" }).waitFor();
  await says(dialog, "404 or 405: check the path");
  await accessible(page, "a failed test");
  await dialog.getByText("Test again with another payload").click();
  const data = dialog.getByLabel("Sample data");
  assert.equal(JSON.parse(await data.inputValue()).direction, "inbound");
  await data.fill('{"callSid": "CA-mine", "direction": "outbound", "phoneNumber": "+15550001111", "status": "busy", "duration": 0}');
  await dialog.getByRole("button", { name: "Preview the signed request" }).click();
  await says(dialog, "Exactly what would be sent now");
  await says(dialog, "X-DialNote-Signature");
  await dialog.getByRole("button", { name: "Send test" }).click();
  await until("the test", async () => (await received(path)).some((r) => JSON.parse(r.body).data.callSid === "CA-mine"));
  await dialog.getByRole("heading", { name: /Not delivered/ }).waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await fact(page, "CRM Call Sync", "Failure count").innerText(), "0 of 3", "tests are not counted");
  await done(page);
});

test("the delivery log: live, filtered by its address, and back", async () => {
  const page = await open();
  const org = organization(), path = `/ok/${org}`;
  const { id } = await hook(org, path);
  await enter(page, org);
  await page.getByRole("link", { name: "Deliveries" }).click();
  await page.getByRole("heading", { name: "No deliveries yet" }).waitFor();
  await live(page);
  const first = await happens(org);
  await says(page.locator("#log"), first);
  await behave(path, "status/404");
  const second = await happens(org);
  await says(page.locator(`tr:has-text("${second}")`), "Retrying");
  await says(page.locator(`tr:has-text("${second}")`), "Server answered 404 Not Found");
  await accessible(page, "the log");
  await page.getByLabel("Status").selectOption("delivered");
  await until("the filter", async () => !(await page.locator("#log").innerText()).includes(second));
  await page.getByRole("link", { name: "Clear", exact: true }).waitFor();
  assert.equal(new URL(page.url()).search, "?status=delivered");
  await page.reload();
  await says(page.locator("#log"), first);
  assert.ok(!(await page.locator("#log").innerText()).includes(second));
  await page.getByLabel("Status").selectOption("skipped");
  await says(page.locator("#log"), "No delivery matches");
  await page.goBack();
  await says(page.locator("#log"), first);
  assert.equal(await page.getByLabel("Status").inputValue(), "delivered");
  assert.equal(new URL(page.url()).search, "?status=delivered");

  await behave(path, "");
  await page.goto(`${BASE}/portal/webhooks/${id}`);
  await says(page.locator(`tr:has-text("${second}")`), "Delivered");
  await page.locator(`tr:has-text("${second}")`).getByRole("link").click();
  await says(page.locator("#delivery"), "Attempt 2");
  await accessible(page, "a delivery");
  await page.getByText("As a cURL command").first().click();
  const command = await page.getByLabel("cURL command").first().innerText();
  const before = (await received(path)).length;
  execFileSync("bash", ["-c", `${command} -fsS -o /dev/null`]);
  const again = (await received(path)).slice(before);
  assert.equal(again.length, 1);
  const sent = (await received(path)).find((r) => r.status === 200 && JSON.parse(r.body).id === second);
  assert.equal(again[0].body, sent.body);
  assert.deepEqual(again[0].header["X-Dialnote-Signature"], sent.header["X-Dialnote-Signature"]);

  await page.getByRole("button", { name: "Redeliver" }).click();
  await says(page.locator("#flash"), "The delivery is made again.");
  await says(page.locator("#delivery"), "Attempt 3");
  await done(page);
});

test("recovering what was missed, with a preview", async () => {
  const page = await open();
  const org = organization(), path = `/ok/${org}`;
  await behave(path, "status/404");
  const { id } = await hook(org, path);
  const missed = await happens(org);
  await until("the delivery to be given up", async () => (await api("GET", `${org}/webhooks/${id}`)).status === "auto_disabled");
  await behave(path, "");
  await api("POST", `${org}/webhooks/${id}/enable`, { heldEvents: "discard" });
  await enter(page, org);
  await card(page, "CRM Call Sync").getByRole("link", { name: "Recover" }).click();
  await accessible(page, "recovering");
  await page.getByText("Last hour").click();
  await page.getByRole("button", { name: "Preview" }).click();
  await says(page.locator("#recovery"), "1 missed event would be delivered.");
  await accessible(page, "a preview");
  await page.getByRole("button", { name: "Recover 1 event" }).click();
  await says(page.locator("#recovery"), "1 missed event queued for delivery.");
  await until("the missed event", async () => (await received(path)).some((r) => r.status === 200 && JSON.parse(r.body).id === missed));
  await done(page);
});

test("the signature checker", async () => {
  const page = await open();
  const org = organization(), path = `/ok/${org}`;
  const { id } = await hook(org, path);
  await happens(org);
  const [request] = await until("the event", async () => { const list = await received(path); return list.length && list; });
  await enter(page, org);
  await page.goto(`${BASE}/portal/webhooks/${id}/check`);
  const check = async (headers, body, want) => {
    await page.getByLabel("Signature header, or all headers").fill(headers);
    await page.getByLabel("Body").fill(body);
    await page.getByRole("button", { name: "Check" }).click();
    await says(page.locator("#findings"), want);
  };
  const signature = request.header["X-Dialnote-Signature"][0];
  await check(`X-DialNote-Signature: ${signature}`, request.body, "The signature matches");
  await check(signature, JSON.stringify(JSON.parse(request.body), null, 2), "The body was written again");
  await check(signature, request.body.replace("180", "181"), "The body was changed");
  await check(`sha256=${"0".repeat(64)}`, request.body, "It was made with another secret");
  await accessible(page, "the checker");
  await done(page);
});

test("API keys and the audit log", async () => {
  const page = await open();
  const org = organization();
  await enter(page, org, "Anna");
  await page.getByRole("link", { name: "API keys" }).click();
  await page.getByLabel("Name of a new key").fill("Reporting");
  await page.getByRole("button", { name: "Create key" }).click();
  const key = await page.locator("#the-key").innerText();
  const list = async () => (await fetch(`${BASE}/v1/organizations/${org}/webhooks`, { headers: { authorization: `Bearer ${key}` } })).status;
  assert.equal(await list(), 200);
  await accessible(page, "a new key");
  await page.getByRole("link", { name: "Revoke Reporting" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke key" }).click();
  await says(page.locator("#flash"), "The key was revoked.");
  assert.equal(await list(), 401);
  await page.getByRole("link", { name: "Audit log" }).click();
  await says(page.locator("#entries"), "API key revoked");
  await says(page.locator("#entries"), "Anna");
  await page.getByLabel("Action").selectOption({ label: "API key created" });
  await until("the filter", async () => !(await page.locator("#entries").innerText()).includes("revoked"));
  await page.getByText("Details").first().click();
  await says(page.locator("#entries"), "Reporting");
  await accessible(page, "the audit log");
  await done(page);
});
