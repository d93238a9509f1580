// What is live, what is lost and found again, and who sees what.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { BASE, CONTROL, RECEIVER, api, behave, card, close, done, enter, fact, happens, hook, live, open, organization, received, says, until } from "../walk.mjs";

after(close);

test("cards come and go on an open page", async () => {
  const page = await open();
  const org = organization();
  await enter(page, org);
  await live(page);
  const { id } = await hook(org, `/ok/${org}`);
  await card(page, "CRM Call Sync").waitFor();
  assert.equal(await page.getByRole("link", { name: "Add Webhook" }).count(), 1, "another can be added");
  await card(page, "CRM Call Sync").getByRole("link", { name: "Edit" }).focus();
  await api("PATCH", `${org}/webhooks/${id}`, { name: "Renamed meanwhile" });
  await card(page, "Renamed meanwhile").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), `edit-${id}`, "the focus stays");
  await api("DELETE", `${org}/webhooks/${id}`);
  await page.getByRole("heading", { name: "Tell your systems when a call ends" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "Add Webhook" }).count(), 1);
  await done(page);
});

test("what happens while a part is being read again is not missed", async () => {
  const page = await open();
  const org = organization(), path = `/ok/${org}`;
  const { id } = await hook(org, path);
  await enter(page, org);
  await page.goto(`${BASE}/portal/webhooks/${id}`);
  await live(page);
  await page.evaluate(() => {
    window.heard = 0;
    document.addEventListener("sse:log", () => { window.heard++; }, true);
  });
  // The first answer is what the log was like after the first event, and is on
  // its way for so long that the second one's news come before it.
  let arrive;
  const under = new Promise((begun) => {
    page.route((url) => url.pathname === `/portal/webhooks/${id}`, async (route) => {
      const response = await route.fetch();
      begun();
      await new Promise((resolve) => { arrive = resolve; });
      await route.fulfill({ response });
    }, { times: 1 });
  });
  await happens(org);
  await under;
  await until("the first to arrive", async () => (await received(path)).length === 1);
  const before = await page.evaluate(() => window.heard);
  await happens(org);
  await until("the second to arrive", async () => (await received(path)).length === 2);
  await until("news of it", () => page.evaluate((n) => window.heard > n, before));
  arrive();
  await until("both in the log", async () => await page.locator("#log tbody tr").count() === 2);
  await done(page);
});

test("two organizations never see each other", async () => {
  const [ours, theirs] = [organization(), organization()];
  const [page, other] = [await open(), await open()];
  await enter(page, ours);
  await enter(other, theirs);
  await Promise.all([live(page), live(other)]);
  const { id } = await hook(ours, `/ok/${ours}`, { name: "Secret plans" });
  await hook(theirs, `/ok/${theirs}`, { name: "Theirs" });
  await card(page, "Secret plans").waitFor();
  await card(other, "Theirs").waitFor();
  await happens(ours);
  await says(fact(page, "Secret plans", "Last sent"), "just now");
  assert.ok(!(await other.content()).includes("Secret plans"));
  assert.equal(await fact(other, "Theirs", "Last sent").innerText(), "Never");
  for (const path of ["", "/edit", "/secret", "/check", "/recover", "/delete"]) {
    const answer = await other.goto(`${BASE}/portal/webhooks/${id}${path}`);
    assert.equal(answer.status(), 404, path);
    assert.ok(!(await other.content()).includes("Secret plans"), path);
  }
  const stranger = await open();
  assert.equal((await stranger.goto(`${BASE}/portal/`)).status(), 401);
  await stranger.getByRole("heading", { name: "Open this page from dialnote" }).waitFor();
  await done(page);
  await done(other);
  await done(stranger);
});

test("what others chose is shown as text", async () => {
  const page = await open();
  const org = organization(), path = `/ok/${org}`;
  const names = [`<script>alert("name")</script><img src=x onerror=alert(1)>`.slice(0, 100), "invoice ‮txt.exe‬ עברית", "📞👩‍💻 " + "W".repeat(93), "{{.}} ${7*7} #{7*7} <%= 7*7 %>"];
  for (const name of names) await hook(org, path, { name });
  const bad = await hook(org, path, { name: "last", url: `${RECEIVER}${path}/?q="><script>alert(2)</script>&r='${"x".repeat(1500)}`, event: "note.created" });
  await behave(`${path}/`, "status/400");
  const note = "<script>alert('note')</script>\u202e </textarea></template>";
  await happens(org, "note.created", { noteId: "n1", conversationId: "c1", body: note, authorId: "u1", createdAt: "2026-11-23T10:00:00Z" });
  await enter(page, org);
  await live(page);
  for (const name of names) assert.equal(await page.getByRole("heading", { name, exact: true }).locator("bdi").innerText(), name);
  await until("the page to fit", () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await page.goto(`${BASE}/portal/webhooks/${bad.id}`);
  await page.locator("#log tbody a").first().click();
  await says(page.getByLabel("Payload", { exact: true }), "<script>alert('note')</script>");
  const copied = await page.locator("#payload-exact").evaluate((t) => t.content.textContent);
  assert.equal(JSON.parse(copied).data.body, note, "what is copied is what was sent");
  await page.setViewportSize({ width: 360, height: 740 });
  await until("the page to fit", () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await page.goto(`${BASE}/portal/?q=${encodeURIComponent('"><script>alert(3)</script>')}`);
  assert.equal(await page.locator("script:not([src])").count(), 0);
  await done(page);
});

test("a lost connection says so, and what happened meanwhile is shown", async () => {
  const page = await open();
  const org = organization();
  await hook(org, `/ok/${org}`);
  await enter(page, org);
  await live(page);
  await fetch(`${CONTROL}/stop`);
  await says(page.locator(".link-state"), "Connection lost.");
  await card(page, "CRM Call Sync").getByRole("button", { name: "Test" }).click();
  await says(card(page, "CRM Call Sync").getByRole("alert"), "Not sent: the connection is lost.");
  await card(page, "CRM Call Sync").getByRole("link", { name: "Edit" }).click();
  await says(card(page, "CRM Call Sync").getByRole("alert"), "Not opened: the connection is lost.");
  assert.equal(await page.getByRole("alert").count(), 1, "it is said once");
  await fetch(`${CONTROL}/start`);
  await happens(org);
  await live(page);
  await says(fact(page, "CRM Call Sync", "Last sent"), /just now|second/);
  await done(page);
});

test("leaving ends the session in every window", async () => {
  const page = await open();
  const org = organization();
  await enter(page, org, "Anna");
  await says(page.locator("footer"), `Opened for Anna, organization ${org}`);
  const other = await page.context().newPage();
  await other.goto(`${BASE}/portal/`);
  await other.getByRole("button", { name: "Leave" }).click();
  await other.getByRole("heading", { name: "Open this page from dialnote" }).waitFor();
  await page.getByRole("button", { name: "Show Key" }).click();
  await page.getByRole("heading", { name: "Open this page from dialnote" }).waitFor();
  await done(page);
});
