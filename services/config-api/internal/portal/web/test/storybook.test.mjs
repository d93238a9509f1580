// Every story, in light and dark, wide and narrow.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { STORYBOOK, accessible, close, done, open } from "../walk.mjs";

after(close);

test("axe finds nothing in any story, light and dark", async () => {
  const page = await open({ colorScheme: "light" });
  await page.goto(STORYBOOK);
  const stories = await page.locator("#stories a").evaluateAll((links) => links.map((a) => a.href));
  assert.ok(stories.length > 40);
  for (const story of stories) {
    await page.goto(story);
    if (await page.locator("#opener").count()) await page.locator("#dialog[open]").waitFor();
    await page.evaluate(() => { for (const details of document.querySelectorAll("details")) details.open = true; });
    await accessible(page, story);
  }
  await done(page);
});

test("no story is wider than a phone", async () => {
  const page = await open({ viewport: { width: 320, height: 640 } });
  await page.goto(STORYBOOK);
  const stories = await page.locator("#stories a").evaluateAll((links) => links.map((a) => a.href));
  for (const story of stories) {
    await page.goto(story);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth &&
      [...document.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => `${e.tagName}.${e.className}`).slice(0, 4));
    assert.ok(!wide, `${story}: ${wide}`);
  }
  await done(page);
});

test("a card on hold counts down, and times stay true", async () => {
  const page = await open();
  await page.clock.install({ time: "2026-11-23T10:30:00Z" }); // the time of the stories
  await page.goto(`${STORYBOOK}list`);
  const card = page.getByRole("article", { name: "Recording archive" });
  const next = card.locator("[data-countdown]");
  await page.clock.pauseAt("2026-11-23T10:30:10Z");
  assert.equal(await next.innerText(), "in 4 min 2 s");
  assert.equal(await card.locator(".when").innerText(), "58 seconds ago");
  await page.clock.runFor(62_000);
  assert.equal(await next.innerText(), "in 3 min 0 s");
  assert.equal(await card.locator(".when").innerText(), "2 minutes ago");
  assert.match(await card.locator(".when time").getAttribute("title"), /November 23, 2026.*10:29:12/);
  await page.clock.runFor(180_000);
  assert.equal(await next.innerText(), "Now");
  await done(page);
});

test("the words of the script are those of the server", async () => {
  const { countdown, relative } = await import("../../render/static/words.js");
  const day = 86_400_000;
  for (const [ms, words] of [
    [0, "just now"], [-4999, "just now"], [4000, "in a moment"], [-5000, "5 seconds ago"], [-60_000, "1 minute ago"], [-3_600_000, "1 hour ago"],
    [-day, "1 day ago"], [-44 * day, "44 days ago"], [-45 * day, "1 month ago"], [-364 * day, "12 months ago"], [-365 * day, "1 year ago"], [299_000, "in 4 minutes"],
  ]) assert.equal(relative(ms), words);
  for (const [ms, words] of [[-1000, ""], [499, ""], [1000, "1 s"], [252_000, "4 min 12 s"], [18_000_000, "5 h 0 min"]]) assert.equal(countdown(ms), words);
});
