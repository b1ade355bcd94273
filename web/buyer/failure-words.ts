/** What went wrong, in words for a buyer: the server's own where it spoke, and what he can do about it. */
import { DoorbusterError } from "../../client/problem.ts";

export function textOf(error: unknown): string {
  const problem = error instanceof DoorbusterError ? error.problem : null;
  if (problem?.["rule"] === "login_required") return "Please sign in at the shop first, then come back here.";
  if (problem !== null && problem.reason !== "unreadable") return problem.title;
  if (!isSecureContext) return "Please open this page over https.";
  return "We cannot reach the server. This page keeps trying; nothing is lost.";
}
