/**
 * What the connection itself says, before any route was found or after one failed; it ends the connection.
 */
import { answerRefusal, plainRefusal, prepareClosingRefusal } from "../../../funnel/refusal-answers.ts";
import type { HotAnswer } from "../../../funnel/request.ts";

const TOO_MANY_HEADERS_STATUS = 431;

/** What follows cannot be told apart from what came. */
export const MALFORMED: HotAnswer = answerRefusal(
  prepareClosingRefusal({
    reason: "malformed",
    extra: { detail: "This is not an HTTP/1.1 request in its plainest form." },
  }),
);

/** More headers than fit. */
export const TOO_MANY_HEADERS: HotAnswer = Object.freeze({ ...MALFORMED, status: TOO_MANY_HEADERS_STATUS });

/** More body than any route takes. */
export const TOO_LARGE: HotAnswer = answerRefusal(plainRefusal("payload_too_large"));

/** A bug of ours that the app did not catch. */
export const FAILED: HotAnswer = answerRefusal(prepareClosingRefusal({ reason: "internal" }));

/** Whoever waits for it may send the body (RFC 9110, 10.1.1). */
export const CONTINUE = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");
