/** The console's view of the operator API fits what the server answers; checked by the compiler. */
import { expect, test } from "bun:test";
import type { Suspect as ServerSuspect } from "../../src/funnel/6-admission/risk/risk-journal.ts";
import type { OrderDocument, SaleDocument, StatsDocument } from "../../src/http/operator/documents.ts";
import type { approvalDocument } from "../../src/http/operator/gate.ts";
import type { AuditReport as ServerAuditReport } from "../../src/ledger/auditor.ts";
import type { ModeChange as ServerModeChange } from "../../src/ports/mode-history.ts";
import type { Person as ServerPerson } from "../../src/ports/operator-store.ts";
import type { Ban as ServerBan } from "../../src/ports/sale-store.ts";
import type { Approval, AuditReport, Ban, ModeChange, Order, Person, Sale, Stats } from "./documents.ts";
import type { Suspect } from "./risk-document.ts";

type Fits<Server extends Console, Console> = Server;

/** Compiles only while every document of the server can be read as the console's. */
export type Checked = [
  Fits<SaleDocument, Sale>,
  Fits<StatsDocument, Stats>,
  Fits<OrderDocument, Order>,
  Fits<ServerAuditReport, AuditReport>,
  Fits<ServerBan, Ban>,
  Fits<ReturnType<typeof approvalDocument>, Approval>,
  Fits<ServerPerson, Person>,
  Fits<ServerSuspect, Suspect>,
  Fits<ServerModeChange, ModeChange>,
];

test("the compiler holds the console's documents to the server's", () => {
  const documents: Checked["length"] = 9;
  expect(documents).toBe(9);
});
