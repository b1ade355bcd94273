/**
 * Entry of the operator's console: sign-in, then the pages by the address's fragment.
 *
 * A change of page moves the focus to its heading, as a page load would.
 */

import { render } from "preact";
import { useEffect } from "preact/hooks";
import type { AdminApi } from "./admin-api.ts";
import { ApprovalsPage } from "./approvals-page.tsx";
import { BansPage } from "./bans-page.tsx";
import { actor, api, type Route, route, signOut, startConsole, ways } from "./console-state.ts";
import { JoinPage } from "./join-page.tsx";
import { LogPage } from "./log-page.tsx";
import { PeoplePage } from "./people-page.tsx";
import { RiskPage } from "./risk-page.tsx";
import { SaleFormPage } from "./sale-form-page.tsx";
import { SalePage } from "./sale-page.tsx";
import { SalesPage } from "./sales-page.tsx";
import { SignInPage } from "./sign-in-page.tsx";
import { WebhooksPage } from "./webhooks-page.tsx";

function Console() {
  const current = api.value;
  const where = route.value;
  const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]")?.href;
  useEffect(() => {
    document.querySelector<HTMLElement>(current === null ? ".sign-in input" : "h1")?.focus();
  }, [where, current, ways.value]);
  return (
    <>
      <header class="top">
        <div>
          <a class="brand" href="#/">
            <img src={icon} width={28} height={28} alt="" />
            <span class="wide-only">Doorbuster</span>
          </a>
          {current !== null && <Navigation where={where} />}
        </div>
      </header>
      <main id="main" class="page" tabIndex={-1}>
        <Main api={current} where={where} />
      </main>
    </>
  );
}

function Main({ api, where }: { api: AdminApi | null; where: Route }) {
  if (where.page === "join") return <JoinPage invitation={where.invitation} />;
  return api === null ? <SignInPage /> : <Page api={api} where={where} />;
}

function Navigation({ where }: { where: Route }) {
  const me = actor.value;
  const link = (page: Route["page"], text: string) => (
    <a href={page === "sales" ? "#/" : `#/${page}`} {...(isPart(where.page, page) ? { "aria-current": "page" } : {})}>
      {text}
    </a>
  );
  return (
    <nav class="row" aria-label="Console">
      {link("sales", "Sales")}
      {link("bans", "Bans")}
      {link("risk", "Risk")}
      {link("approvals", "Approvals")}
      {me?.role !== "viewer" && link("webhooks", "Webhooks")}
      {me?.role === "owner" && link("people", "People")}
      {me?.role === "owner" && link("log", "Log")}
      <button type="button" class="button small quiet" onClick={() => void signOut()}>
        Sign out{me?.kind === "person" && <span class="hidden"> {me.name}</span>}
      </button>
    </nav>
  );
}

/** A sale and the form for a new one belong to the sales. */
function isPart(where: Route["page"], page: Route["page"]): boolean {
  return where === page || (page === "sales" && (where === "sale" || where === "new"));
}

function Page({ api, where }: { api: AdminApi; where: Exclude<Route, { page: "join" }> }) {
  switch (where.page) {
    case "sales":
      return <SalesPage api={api} />;
    case "new":
      return <SaleFormPage api={api} />;
    case "bans":
      return <BansPage api={api} />;
    case "risk":
      return <RiskPage api={api} />;
    case "approvals":
      return <ApprovalsPage api={api} />;
    case "webhooks":
      return <WebhooksPage api={api} canChange={actor.value?.role === "owner"} />;
    case "people":
      return <PeoplePage api={api} />;
    case "log":
      return <LogPage api={api} />;
    case "sale":
      return <SalePage key={where.saleId} api={api} saleId={where.saleId} />;
  }
}

const root = document.getElementById("app");
if (root === null) throw new Error("The page has no place for the console.");
startConsole();
render(<Console />, root);
