/**
 * Which class each route of the buyer API belongs to: what is given up first when the process cannot do everything.
 *
 * pay: whoever pays has already won. confirm: a hold is given back. reserve: what an attempt needs. status: looking after
 * one's own. browse: looking around. Where requests ask the database one by one they need a place as well
 * (funnel/1-shed/route-guard.ts); figures of public documents are read once for everybody. A route without a row does not
 * compile; null is for what must be answered whatever happens.
 */
import type { RouteClass } from "../../funnel/1-shed/route-guard.ts";
import type { BuyerRouteName } from "../contract/routes.ts";

const RESERVE: RouteClass = { priority: "reserve", needs: "nothing" };
const BROWSE: RouteClass = { priority: "browse", needs: "nothing" };

/** Pages and their files. */
export const PAGE_CLASS: RouteClass = BROWSE;

export const ROUTE_CLASSES = {
  receivePaymentNotification: { priority: "pay", needs: "database" },
  checkout: { priority: "pay", needs: "database" },
  cancelReservation: { priority: "confirm", needs: "database" },
  readTime: RESERVE,
  createSession: RESERVE,
  createPass: RESERVE,
  createChallenge: RESERVE,
  solveChallenge: RESERVE,
  // The funnel sheds attempts itself.
  reserve: null,
  listReservations: { priority: "status", needs: "database" },
  readReservation: { priority: "status", needs: "database" },
  streamEvents: { priority: "status", needs: "nothing" },
  createEventTicket: { priority: "status", needs: "nothing" },
  listSales: BROWSE,
  readSale: BROWSE,
  readContract: BROWSE,
  readHealth: null,
  readReadiness: null,
} as const satisfies Record<BuyerRouteName, RouteClass | null>;
