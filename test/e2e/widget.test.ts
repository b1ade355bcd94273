/**
 * A provider's widget on the page: loaded for the challenge it is tied to, and done without where it does not come.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { PROVIDER_SECRET, ScriptedCaptchaProvider } from "../support/captcha-provider.ts";
import { buy, clearanceIn, useTestBed, WITH_CHALLENGES } from "./browser.ts";

const WIDGET_ORIGIN = "https://challenges.cloudflare.com";

let provider: ScriptedCaptchaProvider;

beforeAll(async () => {
  provider = await ScriptedCaptchaProvider.start();
});
afterAll(() => provider?.stop());
const bed = useTestBed({
  env: () => ({
    ...WITH_CHALLENGES,
    CHALLENGE_KIND: "turnstile",
    CAPTCHA_SITE_KEY: "0x4AAAAAAA-site",
    CAPTCHA_SECRET: PROVIDER_SECRET,
    CAPTCHA_HOSTNAMES: "127.0.0.1",
    CAPTCHA_VERIFY_URL: provider.url,
  }),
});

/** The provider's script as far as the page uses it: it calls back at once with what the test says. */
async function serveWidget(page: Page, respond: (cData: string) => string): Promise<void> {
  await page.exposeFunction("respondToWidget", respond);
  const script = `window.turnstile = {
    render(place, options) {
      place.textContent = options.sitekey + " " + options.action;
      window.respondToWidget(options.cData).then((response) => options.callback(response));
      return "widget";
    },
    remove() {},
  };`;
  await page
    .context()
    .route(`${WIDGET_ORIGIN}/**`, (route) => route.fulfill({ contentType: "text/javascript", body: script }));
}

test("a widget is loaded, tied to the challenge, and clears the attempt", async () => {
  const sale = await bed.deployment.sale({ name: "Guarded", challenge: "always" });
  const watched = await bed.open({ origins: [bed.deployment.buyerUrl, WIDGET_ORIGIN] });
  const asked: string[] = [];
  await serveWidget(watched.page, (cData) => {
    asked.push(cData);
    return provider.solve({ hostname: "127.0.0.1", madeAt: Date.now(), action: "reserve", cdata: cData });
  });
  await watched.page.goto(`${bed.deployment.buyerUrl}/sales/${sale.saleId}`);
  await clearanceIn(watched.page, sale.saleId);
  await buy(watched.page);
  expect(asked.length).toBe(1);
  expect(provider.asked.length).toBe(1);
  watched.expectNoComplaints();
});

test("a widget that does not come is not waited for: the device works instead", async () => {
  const sale = await bed.deployment.sale({ name: "Guarded", challenge: "always" });
  const watched = await bed.open({ origins: [bed.deployment.buyerUrl, WIDGET_ORIGIN] });
  await watched.page.context().route(`${WIDGET_ORIGIN}/**`, (route) => route.abort());
  await watched.page.goto(`${bed.deployment.buyerUrl}/sales/${sale.saleId}`);
  await clearanceIn(watched.page, sale.saleId);
  await buy(watched.page);
});
