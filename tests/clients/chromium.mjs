// A person at a headless Chromium: node chromium.mjs CHROMIUM ADDRESS UNTIL USER PASSWORD
// Opens ADDRESS, signs in and allows by the pages' own fields and buttons, ends where the address begins with
// UNTIL, and prints the titles of the pages as JSON. The pages' content policies are in force, as for everybody.
import { chromium } from "playwright-core";

const [program, address, until, user, password] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
const page = await (await browser.newContext()).newPage();
const titles = [];
const blocked = [];
page.on("console", (line) => { if (/Content Security Policy/.test(line.text())) blocked.push(line.text()); });
const yes = page.locator("button[value=allow]").first();
await page.goto(address);
for (let steps = 0; steps < 10 && !page.url().startsWith(until); steps++) {
  titles.push(await page.title());
  const before = page.url();
  if (await page.locator("input[name=password]").count()) {
    await page.fill("input[name=user]", user);
    await page.fill("input[name=password]", password);
  }
  await yes.click();
  await page.waitForURL((now) => String(now) !== before, { waitUntil: "commit" });
  // Another question, or the assistant: perhaps by way of a page that goes there by itself.
  await Promise.any([yes.waitFor(), page.waitForURL((now) => String(now).startsWith(until), { waitUntil: "load" })]);
}
process.stdout.write(`${JSON.stringify({ titles, blocked, ended: page.url(), text: await page.innerText("body") })}\n`);
await browser.close();
