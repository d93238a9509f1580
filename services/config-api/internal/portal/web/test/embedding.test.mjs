// The page in dialnote's own web app, and what it weighs.

import assert from "node:assert/strict";
import http from "node:http";
import { after, test } from "node:test";
import { BASE, api, close, done, hook, open, organization, says, until } from "../walk.mjs";

after(close);

// host serves a page that shows the settings page in a frame.
async function host(link) {
  const server = http.createServer((request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><title>dialnote</title><iframe src="${link}" width="900" height="300"></iframe>
      <script>heights = []; addEventListener("message", (e) => { if (e.data?.type === "dialnote:height") heights.push([e.origin, e.data.height]); });</script>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

test("the page stands in the app's page, in its colours, as high as it is", async (t) => {
  const page = await open();
  const org = organization();
  const { url } = await api("POST", `${org}/portal-links`, {});
  const server = await host(url);
  t.after(() => { server.closeAllConnections(); server.close(); });
  const { port } = server.address();
  await page.goto(`http://127.0.0.1:${port}/`);
  const frame = page.frameLocator("iframe");
  await frame.getByRole("heading", { name: "Webhooks", exact: true }).waitFor();
  const first = await until("a height", () => page.evaluate(() => heights.at(-1)));
  assert.equal(first[0], BASE);
  const real = await page.frames()[1].evaluate(() => document.body.getBoundingClientRect().height);
  assert.equal(first[1], Math.ceil(real));
  for (let i = 0; i < 3; i++) await hook(org, `/ok/${org}`, { name: `Webhook ${i}` });
  await until("a greater height", () => page.evaluate((h) => heights.at(-1)[1] > h, first[1]));

  await page.evaluate((src) => { document.querySelector("iframe").src = src; }, `${BASE}/portal/?theme=dark&accent=%230a7d55`);
  await until("the dark scheme", () => page.frames()[1].evaluate(() => document.documentElement.dataset.scheme === "dark").catch(() => false));
  await frame.getByRole("link", { name: "Add Webhook" }).waitFor();
  const button = await frame.getByRole("link", { name: "Add Webhook" }).evaluate((b) => getComputedStyle(b).backgroundColor);
  const [r, g, b] = button.match(/\d+/g).map(Number);
  assert.ok(g > r && g > b, `the accent is ${button}`);

  // Another host may not show it.
  const elsewhere = await open();
  await elsewhere.goto(`http://localhost:${port}/`);
  await until("the refusal", async () => elsewhere.complaints.some((c) => c.includes("frame-ancestors")));
  elsewhere.complaints = elsewhere.complaints.filter((c) => !c.includes("frame-ancestors"));
  await done(elsewhere);
  await done(page);
});

test("in a frame as high as the page, a dialog opens where the person is", async (t) => {
  const page = await open({ viewport: { width: 1000, height: 700 } });
  const org = organization();
  const ids = [];
  for (let i = 0; i < 12; i++) ids.push((await hook(org, `/ok/${org}`, { name: `Webhook ${i}` })).id);
  const { url } = await api("POST", `${org}/portal-links`, {});
  const server = await host(url);
  t.after(() => { server.closeAllConnections(); server.close(); });
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const frame = page.frameLocator("iframe");
  await until("the height of all cards", () => page.evaluate(() => heights.at(-1)?.[1] > 2000));
  await page.evaluate(() => { document.querySelector("iframe").height = heights.at(-1)[1]; });
  for (const [opener, title] of [[`#edit-${ids[0]}`, "Edit webhook"], [`#delete-${ids[6]}`, "Delete Webhook 6?"], [`#edit-${ids.at(-1)}`, "Edit webhook"]]) {
    await frame.locator(opener).evaluate((e) => e.scrollIntoView({ block: "center" }));
    await frame.locator(opener).click();
    const heading = frame.getByRole("dialog").getByRole("heading", { name: title });
    await heading.waitFor();
    await until(`all of “${title}” in the window`, async () => {
      const { y, height } = await frame.getByRole("dialog").boundingBox();
      return y >= 0 && y + height <= 700;
    });
    assert.ok(await frame.getByRole("dialog").evaluate((d) => d.contains(document.activeElement)), "the focus is in it");
    await page.keyboard.press("Escape");
    await frame.getByRole("dialog").waitFor({ state: "hidden" });
  }
  // The script has focused what the browser did not.
  page.complaints = page.complaints.filter((c) => !c.startsWith("Blocked autofocusing"));
  await done(page);
});

test("the first load is under 60 kB, with 100 webhooks", async () => {
  const page = await open();
  const org = organization();
  for (let i = 0; i < 100; i++) await hook(org, `/ok/${org}/${crypto.randomUUID()}`, { name: `Webhook ${crypto.randomUUID()}`, event: i % 3 ? "call.completed" : "note.created" });
  const { url } = await api("POST", `${org}/portal-links`, {});
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  session.on("Network.loadingFinished", (e) => { bytes += e.encodedDataLength; });
  await page.goto(url, { waitUntil: "load" });
  await says(page.locator(".link-state"), "Live");
  assert.ok(bytes > 10_000 && bytes < 60_000, `${bytes} bytes`);
  assert.equal(await page.locator(".card").count(), 100);
  console.log(`first load with 100 webhooks: ${bytes} bytes`);
  await done(page);
});
