/**
 * The signals that a page may send when a session begins: closed, bounded to some two kilobytes, coarse on purpose.
 *
 * Absent members are absent where a browser keeps them to itself. What becomes of them: src/funnel/6-admission/risk/.
 */
import { z } from "@hono/zod-openapi";

const pixels = z.number().int().min(0).max(65_535);
const drawingHash = z.string().regex(/^[A-Za-z0-9_-]{8,43}$/);

/** Member `signals` of `POST /v1/sessions`. */
export const PageSignalsSchema = z
  .strictObject({
    automation: z.boolean().openapi({ description: "`navigator.webdriver`: a program drives the browser." }),
    timeZone: z
      .string()
      .regex(/^[A-Za-z0-9_+/-]{1,64}$/)
      .openapi({ description: "IANA name." }),
    languages: z.array(z.string().regex(/^[A-Za-z0-9-]{1,35}$/)).max(8),
    screen: z.strictObject({ width: pixels, height: pixels, depth: z.number().int().min(0).max(64) }),
    hardwareConcurrency: z.number().int().min(0).max(1_024),
    touch: z.number().int().min(0).max(256).openapi({ description: "`navigator.maxTouchPoints`." }),
    webgl: drawingHash.optional().openapi({ description: "A hash of what the graphics card is called." }),
    canvas: drawingHash.optional().openapi({ description: "A hash of a few drawn letters." }),
  })
  .openapi("PageSignals");
