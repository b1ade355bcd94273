/**
 * openapi.json: the buyer API as a document, generated from the route table and its schemas.
 *
 * Nothing is written by hand here but the frame, so the document cannot promise what the server does not parse. It is
 * built once at start and served as text. The operator API describes itself on its own port.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import { BUYER_ROUTES } from "./routes.ts";

const DESCRIPTION = [
  "Doorbuster sells an exact stock to a crowd. JSON in, JSON out; times are integers in milliseconds since the epoch;",
  "money is in minor units. Every answer that is neither 2xx nor 304 is RFC 9457 `application/problem+json` with a",
  "`reason`. Whatever changes something and comes from a page of another site is 403 `cross_site`, unless this deployment",
  "lets that site in.",
].join(" ");

/** The OpenAPI 3.1 document of the buyer API, the hot path included. */
export function createOpenApiDocument(version: string): object {
  const { openAPIRegistry, getOpenAPI31Document } = new OpenAPIHono();
  openAPIRegistry.registerComponent("securitySchemes", "session", {
    type: "http",
    scheme: "bearer",
    description: "The token of `POST /v1/sessions`.",
  });
  for (const route of Object.values(BUYER_ROUTES)) openAPIRegistry.registerPath(route.config);
  return getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Doorbuster buyer API", version, description: DESCRIPTION, license: { name: "Apache-2.0" } },
  });
}
