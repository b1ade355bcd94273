/** What may be seen of a URL, and what may not. */
import { expect, test } from "bun:test";
import { maskedUrl, maskedUrls } from "./masking.ts";

test("hides the password and secret parameters of a URL and nothing else", () => {
  expect(maskedUrl("postgres://shop:hunter2@db.example:5432/sales?sslmode=require&sslpassword=hunter3")).toBe(
    "postgres://shop:********@db.example:5432/sales?sslmode=require&sslpassword=********",
  );
  expect(maskedUrl("mysql://localhost/shop")).toBe("mysql://localhost/shop");
});

test("shows nothing of text that is not a URL with a host", () => {
  for (const text of ["hunter2", "hunter2:hunter3", "file:///etc/passwd", "", "://"]) {
    expect(maskedUrl(text)).toBeNull();
    expect(maskedUrls(text)).toBeNull();
  }
});

test("hides every password of a list, and the whole list when a part of it is no URL", () => {
  expect(maskedUrls("redis://:hunter2@one:6379, rediss://app:hunter3@two:6380/1")).toBe(
    "redis://:********@one:6379,rediss://app:********@two:6380/1",
  );
  expect(maskedUrls("redis://one")).toBe("redis://one");
  for (const text of ["redis://one,hunter2", "redis://one,", "hunter2,redis://one"]) {
    expect(maskedUrls(text)).toBeNull();
  }
  expect(maskedUrls("redis://:hun,ter2@one")).toBe("redis://:********@one");
  expect(maskedUrls("redis://one,:hunter2@two")).toBe("redis://one,:********@two");
});

test("a list that was given where one URL belongs is not shown: what looks like a path may be a password", () => {
  expect(maskedUrl("redis://one,redis://:hunter2@two")).toBeNull();
  expect(maskedUrl("postgres://db/shop:hunter2@other")).toBeNull();
  expect(maskedUrl("redis://one/0?x=1,redis://:hunter2@two")).toBeNull();
  expect(maskedUrls("redis://one/0?x=1,redis://:hunter2@two")).toBe("redis://one/0?x=1,redis://:********@two");
});
