/**
 * Entry of the buyer's pages: `/` lists what is on, `/sales/{saleId}` is the page of one sale.
 *
 * Plain links between the two, no router: a reload must show the same thing anyway.
 */
import { type ComponentChildren, render } from "preact";
import { Doorbuster } from "../../client/doorbuster.ts";
import { createPageSolver } from "./challenge-solver.ts";
import { askBeforeLeaving, trustOwnLinks } from "./leaving.ts";
import { ListPage, loadSales } from "./list-page.tsx";
import { SaleModel } from "./sale-model.ts";
import { SalePage } from "./sale-page.tsx";
import { collectSignals } from "./signals.ts";

function drawPage(content: ComponentChildren): void {
  const root = document.getElementById("app");
  if (root === null) throw new Error("The page has no place for the app.");
  const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]")?.href;
  render(
    <>
      <header class="top">
        <div>
          <a class="brand" href="/">
            <img src={icon} width={28} height={28} alt="" />
            Doorbuster
          </a>
          <a href="/">All sales</a>
        </div>
      </header>
      <main id="main" class="page" tabIndex={-1}>
        {content}
      </main>
      <footer class="foot small soft">
        <div>
          This page keeps one session in this tab and nothing else. No trackers, and no other host unless a check on
          this page names one.
        </div>
      </footer>
    </>,
    root,
  );
}

/** Where the worker's script is; null in a page without it. */
function readWorkerUrl(): string | null {
  return document.querySelector<HTMLMetaElement>("meta[name=pow-worker]")?.content ?? null;
}

function startSalePage(saleId: string): void {
  const solveChallenge = createPageSolver({
    workerUrl: readWorkerUrl(),
    ask: (challenge, work) => model.clearing.questions.ask(challenge, work),
  });
  const model: SaleModel = new SaleModel({
    shop: new Doorbuster({ solveChallenge }),
    saleId,
    signals: collectSignals,
    spotlight: new URLSearchParams(location.search).get("rid"),
    draw: () => {
      document.title = model.sale?.name ?? "Sale";
      drawPage(<SalePage model={model} />);
      askBeforeLeaving(model.isUnpaid);
    },
  });
  trustOwnLinks();
  model.start();
  document.addEventListener("visibilitychange", () => document.hidden || model.wake());
  window.addEventListener("pageshow", ({ persisted }) => persisted && model.wake());
}

const saleId = /^\/sales\/([\w-]+)/.exec(location.pathname)?.[1];
if (saleId === undefined) {
  drawPage(<ListPage list={{ sales: null, isFailed: false }} />);
  void loadSales((list) => drawPage(<ListPage list={list} />));
} else {
  startSalePage(saleId);
}
