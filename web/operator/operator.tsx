/**
 * Entry of the operator's console: sign-in, then the pages by the address's fragment.
 *
 * A change of page moves the focus to its heading, as a page load would.
 */

import { render } from "preact";
import { useEffect } from "preact/hooks";
import type { AdminApi } from "./admin-api.ts";
import { BansPage } from "./bans-page.tsx";
import { api, followAddress, type Route, route, signOut } from "./console-state.ts";
import { SaleFormPage } from "./sale-form-page.tsx";
import { SalePage } from "./sale-page.tsx";
import { SalesPage } from "./sales-page.tsx";
import { SignInPage } from "./sign-in-page.tsx";

function Console() {
  const current = api.value;
  const where = route.value;
  const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]")?.href;
  useEffect(() => {
    document.querySelector<HTMLElement>(current === null ? "#token" : "h1")?.focus();
  }, [where, current]);
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
        {current === null ? <SignInPage /> : <Page api={current} where={where} />}
      </main>
    </>
  );
}

function Navigation({ where }: { where: Route }) {
  const isBans = where.page === "bans";
  const current = (isCurrent: boolean) => (isCurrent ? { "aria-current": "page" as const } : {});
  return (
    <nav class="row" aria-label="Console">
      <a href="#/" {...current(!isBans)}>
        Sales
      </a>
      <a href="#/bans" {...current(isBans)}>
        Bans
      </a>
      <button type="button" class="button small quiet" onClick={() => signOut("You are signed out.")}>
        Sign out
      </button>
    </nav>
  );
}

function Page({ api, where }: { api: AdminApi; where: Route }) {
  switch (where.page) {
    case "sales":
      return <SalesPage api={api} />;
    case "new":
      return <SaleFormPage api={api} />;
    case "bans":
      return <BansPage api={api} />;
    case "sale":
      return <SalePage key={where.saleId} api={api} saleId={where.saleId} />;
  }
}

const root = document.getElementById("app");
if (root === null) throw new Error("The page has no place for the console.");
followAddress();
render(<Console />, root);
