/** What may be seen of a URL, and what may not. */
import { expect, test } from "bun:test";
import { maskedUrl } from "./masking.ts";

test("hides the password and secret parameters of a URL and nothing else", () => {
  expect(maskedUrl("postgres://shop:hunter2@db.example:5432/sales?sslmode=require&sslpassword=hunter3")).toBe(
    "postgres://shop:********@db.example:5432/sales?sslmode=require&sslpassword=********",
  );
  expect(maskedUrl("mysql://localhost/shop")).toBe("mysql://localhost/shop");
});

test("shows nothing of text that is not a URL with a host", () => {
  for (const text of ["hunter2", "hunter2:hunter3", "file:///etc/passwd", "", "://"])
    expect(maskedUrl(text)).toBeNull();
});
