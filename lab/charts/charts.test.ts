/**
 * The charts are well-formed whatever they are given, show what they were given, and run nothing.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { barChart } from "./bar-chart.ts";
import { lineChart, type Point } from "./line-chart.ts";
import { htmlPage } from "./page.ts";
import { linearScale, logarithmicScale } from "./scale.ts";
import { escapeText, formatNumber, shorten } from "./text.ts";

const HOSTILE = `"><script>alert(1)</script>' onload='x' & <!-- ]]> \u0000\u0007\ud800 </svg><img src=x onerror=y>`;

/** Throws unless tags nest, attributes are quoted, and every ampersand begins a reference. */
function expectWellFormed(xml: string): void {
  const open: string[] = [];
  const rest = xml.replace(/<(\/?)([a-z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g, (_, end, name, __, isEmpty) => {
    if (end === "/") expect(open.pop()).toBe(name);
    else if (isEmpty === "") open.push(name);
    return "";
  });
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<]/);
  expect(xml).not.toMatch(/&(?!(amp|lt|gt|quot|#39);)/);
  expect(xml.isWellFormed()).toBe(true);
  expect([...xml].filter((character) => character < " " && character !== "\n")).toEqual([]);
  expect(xml).not.toMatch(/NaN|Infinity|undefined/);
}

const line = (points: readonly Point[], logarithmic = false): string =>
  lineChart({
    title: "T",
    unitX: "x",
    unitY: "y",
    series: [{ name: "s", points }],
    logX: logarithmic,
    logY: logarithmic,
  });

describe("a chart", () => {
  test("has a title and a description for those who do not see it", () => {
    const svg = line([
      [1, 10],
      [2, 30],
    ]);
    expect(svg).toMatch(/^<svg [^>]*role="img"[^>]*aria-labelledby="(chart-\w+)"[^>]*><title id="\1">T<\/title>/);
    expect(svg).toContain("s: from 10 at 1 to 30 at 2, between 10 and 30.");
    expect(barChart({ title: "B", unit: "µs", bars: [{ name: "one", value: 4 }] })).toContain("µs. one: 4.</desc>");
  });

  test("escapes hostile names wherever they stand", () => {
    const bars = [{ name: HOSTILE, value: 1, group: HOSTILE }];
    const series = [{ name: HOSTILE, points: [[1, 1]] as const }];
    for (const svg of [
      barChart({ title: HOSTILE, unit: HOSTILE, bars }),
      lineChart({ title: HOSTILE, unitX: HOSTILE, unitY: HOSTILE, series }),
    ]) {
      expectWellFormed(svg);
      expect(svg).not.toMatch(/<script|<img|<!--/);
    }
    const table = { head: [HOSTILE], rows: [[HOSTILE]] };
    const page = htmlPage({ title: HOSTILE, sections: [{ heading: HOSTILE, paragraphs: [HOSTILE], table }] });
    expect(page).not.toMatch(/<script|<img|<!--/);
  });

  test("without data says so", () => {
    for (const svg of [
      line([]),
      lineChart({ title: "T", unitX: "x", unitY: "y", series: [] }),
      barChart({ title: "B", unit: "u", bars: [] }),
      line([[Number.NaN, 1]]),
      line([[0, 0]], true),
    ]) {
      expectWellFormed(svg);
      expect(svg).toContain("No data");
    }
  });

  test("of one point has room around it", () => {
    for (const logarithmic of [true, false]) {
      const svg = line([[5, 7]], logarithmic);
      expectWellFormed(svg);
      expect(svg).toContain("7 y at 5 x");
    }
  });

  test("counts what a logarithmic axis cannot show", () => {
    const points: Point[] = [
      [0, 1],
      [1, -1],
      [10, 100],
    ];
    expect(line(points, true)).toContain("2 could not be shown.");
  });

  test("of any finite and infinite numbers is well-formed and bounded", () => {
    const number = fc.oneof(
      fc.double(),
      fc.constantFrom(1e308, -1e308, 5e-324, 0, 1e15, 1e15 + 1, Infinity, Number.NaN),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { maxLength: 60 }), fc.boolean(), (points, logarithmic) => {
        expectWellFormed(line(points, logarithmic));
        expectWellFormed(barChart({ title: "B", unit: "u", bars: points.map(([value]) => ({ name: "n", value })) }));
      }),
    );
  });

  test("keeps a single spike among very many points", () => {
    const points = Array.from({ length: 200_000 }, (_, index): Point => [index, index === 123_456 ? 1_000 : 1]);
    const svg = line(points);
    expect(svg.length).toBeLessThan(40_000);
    // The plot is 260 high and begins at 56: the spike reaches its top.
    expect(svg).toMatch(/points="[^"]*,56[ "]/);
  });

  test("places values where its marks say", () => {
    const linear = linearScale([0, 100], { fromZero: true });
    for (const { at, label } of linear.marks) expect(linear.place(Number(label))).toBeCloseTo(at, 9);
    const logarithmic = logarithmicScale([10_000, 1_000_000]);
    expect(logarithmic.marks.map((mark) => mark.label)).toEqual([
      "10 k",
      "20 k",
      "50 k",
      "100 k",
      "200 k",
      "500 k",
      "1 M",
    ]);
    expect(logarithmic.place(100_000)).toBeCloseTo(0.5, 9);
  });

  test("shows bars below zero on the other side of it", () => {
    const svg = barChart({
      title: "B",
      unit: "u",
      bars: [
        { name: "down", value: -10 },
        { name: "up", value: 10 },
      ],
    });
    const [down, up] = [...svg.matchAll(/<rect class="bar c0" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)];
    expect(Number(down?.[1]) + Number(down?.[2])).toBeCloseTo(Number(up?.[1]), 1);
    expect(down?.[2]).toBe(up?.[2] ?? "");
  });
});

describe("a page", () => {
  test("holds its charts as they are, loads nothing and runs nothing", () => {
    const svg = line([[1, 1]]);
    const page = htmlPage({ title: "P", sections: [{ heading: "H", charts: [svg] }] });
    expect(page).toContain(svg);
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    expect(page.replaceAll('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(/https?:|src=|href=|@import|url\(/);
  });

  test("puts numbers to the right", () => {
    const table = { head: ["a", "b"], rows: [["bun", "12,345"]] };
    const page = htmlPage({ title: "P", sections: [{ heading: "H", table }] });
    expect(page).toContain('<th scope="row">bun</th><td class="n">12,345</td>');
    expect(page).toContain('<tr><th scope="col">a</th><th scope="col" class="n">b</th></tr>');
  });

  test("puts what stands among numbers where they stand, and leaves words at the left", () => {
    const rows = [
      ["bun", "12 ms", "–", "yes"],
      ["node", "–", "1", "1"],
      ["deno", "unknown", "", "no"],
      ["other", "7 ms", "2", "no"],
    ];
    const page = htmlPage({ title: "P", sections: [{ heading: "H", table: { head: ["a", "b", "c", "d"], rows } }] });
    expect(page).toContain('<th scope="row">bun</th><td class="n">12 ms</td><td class="n">–</td><td>yes</td>');
    expect(page).toContain('<th scope="row">node</th><td class="n">–</td><td class="n">1</td><td>1</td>');
    expect(page).toContain('<td class="n">unknown</td><td class="n"></td><td>no</td>');
  });

  test("has heads that say something: of columns, of rows, and none without a text", () => {
    const pageOf = (head: readonly string[]): string =>
      htmlPage({ title: "P", sections: [{ heading: "H", table: { head, rows: [["a", "1"]] } }] });
    expect(pageOf(["", ""])).toContain('<table>\n<tbody>\n<tr><th scope="row">a</th><td class="n">1</td></tr>');
    expect(pageOf(["", "p50"])).toContain('<tr><td></td><th scope="col" class="n">p50</th></tr>');
    for (const head of [
      ["", ""],
      ["", "p50"],
      ["what", "p50"],
    ])
      expect(pageOf(head)).not.toMatch(/<th[^>]*><\/th>/);
  });

  test("lets charts be as wide as the page, and readable on a small screen, in boxes that have a name and can be moved with the keyboard", () => {
    const table = { head: ["a", "b"], rows: [["bun", "1"]] };
    const page = htmlPage({ title: "P", sections: [{ heading: "A & B", charts: [line([[1, 1]])], table }] });
    expect(page).toMatch(/svg\{[^}]*width:100%;min-width:56rem/);
    expect(page).toMatch(
      /<div class="wide" role="group" tabindex="0" aria-labelledby="(chart-\w+)"><svg [^>]*><title id="\1">T<\/title>/,
    );
    expect(page).toContain('<div class="wide" role="group" tabindex="0" aria-label="A &amp; B"><table>');
  });
});

describe("text", () => {
  test.each([
    [0, "0"],
    [0.25, "0.25"],
    [41_999, "42 k"],
    [999_999, "1 M"],
    [1_050_000, "1.05 M"],
    [-2_500, "-2.5 k"],
    [3e20, "3e+20"],
    [1e-9, "1e-9"],
    [Number.NaN, "–"],
  ])("%p is written as %s", (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  test("is cut by characters, not by halves of them", () => {
    expect(shorten("😀😀😀", 2)).toBe("😀…");
    expect(escapeText(shorten("a<b", 3))).toBe("a&lt;b");
  });
});
