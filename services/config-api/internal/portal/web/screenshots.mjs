// Photographs stories for the documentation: node screenshots.mjs, with the
// storybook's address in STORYBOOK and the folder in SCREENSHOTS.

import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const { STORYBOOK, SCREENSHOTS, CHROMIUM } = process.env;
const fonts = fileURLToPath(new URL("fonts/fonts.conf", import.meta.url));

// Name of the picture, story, and what is unusual about the window.
const pictures = [
  ["webhooks", "list", { height: 1180 }],
  ["webhooks-dark", "list", { colorScheme: "dark", height: 1180 }],
  ["every-state", "cards", {}],
  ["webhooks-phone", "list", { phone: true, height: 1240 }],
  ["empty", "empty", {}],
  ["add-webhook", "form-dialog", { height: 980 }],
  ["created", "created", { height: 1000 }],
  ["test", "test-delivered", {}],
  ["log", "log", {}],
  ["log-phone", "log", { phone: true, height: 1100 }],
  ["attempt", "delivery", {}],
  ["attempt-dark", "delivery", { colorScheme: "dark", height: 900 }],
  ["checker", "check-changed", {}],
  ["recover", "recover-running", {}],
  ["keys", "keys-new", {}],
  ["audit", "audit", {}],
];

fs.mkdirSync(SCREENSHOTS, { recursive: true });
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-lcd-text", "--font-render-hinting=none"], env: { ...process.env, FONTCONFIG_FILE: fonts } });
for (const [name, story, { colorScheme = "light", phone = false, height }] of pictures) {
  const page = await browser.newPage({ viewport: { width: phone ? 390 : 1000, height: height ?? 720 }, colorScheme, deviceScaleFactor: 1.5, reducedMotion: "reduce" });
  await page.clock.setFixedTime("2026-11-23T10:30:00Z"); // the time of the stories
  await page.goto(STORYBOOK + story, { waitUntil: "networkidle" });
  const dialog = await page.locator("#opener").count();
  if (dialog) await page.locator("#dialog[open]").waitFor();
  const fullPage = !dialog && !height;
  await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage });
  await page.close();
}
await browser.close();
