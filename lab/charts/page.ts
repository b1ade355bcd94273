/**
 * A page of charts, tables and text in one file: nothing is fetched, nothing runs.
 *
 * Its content security policy says so as well: a hostile name that escaped the escaping could still load and run nothing.
 */
import { escapeText } from "./text.ts";

export interface PageSection {
  readonly heading: string;
  /** Plain text, escaped here. */
  readonly paragraphs?: readonly string[];
  /** What the chart functions returned, put in as it is. */
  readonly charts?: readonly string[];
  /** Cells are plain text; columns of numbers stand to the right, whole. The first of a row says what the row is of. */
  readonly table?: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };
}

export interface PageOptions {
  readonly title: string;
  readonly sections: readonly PageSection[];
}

const NUMBER = /^[<>≤≥×~ ]*[-–+]?[\d.,]+(e[-+]?\d+)?( ?[kMGT%µa-zA-Z/]{0,8})?$/;

const DASHES: ReadonlySet<string> = new Set(["-", "–", "—"]);

const STYLE = `:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;background:#fff;color:#1b1b1b}
svg{display:block;width:100%;min-width:56rem;height:auto}.charts{display:grid;grid-template-columns:minmax(0,1fr);gap:1rem}
.wide{overflow-x:auto;max-width:100%;margin:.5rem 0}th[scope=row]{font-weight:inherit}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .75rem;border-bottom:1px solid #8886;text-align:left}.n{text-align:right;white-space:nowrap}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#e8e8e8}}`;

/** The whole document. */
export function htmlPage({ title, sections }: PageOptions): string {
  const policy = "default-src 'none'; style-src 'unsafe-inline'";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeText(title)}</h1>
${sections.map(renderSection).join("\n")}
</main>
</body>
</html>
`;
}

function renderSection({ heading, paragraphs = [], charts = [], table }: PageSection): string {
  const parts = [
    `<h2>${escapeText(heading)}</h2>`,
    ...paragraphs.map((text) => `<p>${escapeText(text)}</p>`),
    ...(charts.length === 0 ? [] : [`<div class="charts">${charts.map(renderChart).join("\n")}</div>`]),
    ...(table === undefined ? [] : [wideBox(`aria-label="${escapeText(heading)}"`, renderTable(table))]),
  ];
  return `<section>\n${parts.join("\n")}\n</section>`;
}

/** As wide as can be read, on a telephone wider than its screen: then it is moved in its box, with the keyboard too. */
function wideBox(label: string, content: string): string {
  return `<div class="wide" role="group" tabindex="0" ${label}>${content}</div>`;
}

/** A chart has its title in an element of its own, which its box is named by. */
function renderChart(svg: string): string {
  const label = /^<svg [^>]*(aria-labelledby="[\w-]+")/.exec(svg)?.[1];
  if (label === undefined) throw new Error("a chart without a title");
  return wideBox(label, svg);
}

/** A head without text heads nothing, and a head of such alone is left out. */
function renderTable({ head, rows }: NonNullable<PageSection["table"]>): string {
  const classes = head.map((_, column) => (isOfNumbers(rows.map((row) => row[column] ?? "")) ? ' class="n"' : ""));
  const cell = (text: string, column: number): string =>
    column === 0 && text !== ""
      ? `<th scope="row"${classes[column] ?? ""}>${escapeText(text)}</th>`
      : `<td${classes[column] ?? ""}>${escapeText(text)}</td>`;
  const headCell = (text: string, column: number): string =>
    text === "" ? "<td></td>" : `<th scope="col"${classes[column] ?? ""}>${escapeText(text)}</th>`;
  const isHeaded = head.some((text) => text !== "");
  const headRow = isHeaded ? `<thead><tr>${head.map(headCell).join("")}</tr></thead>\n` : "";
  const bodyRows = rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n");
  return `<table>\n${headRow}<tbody>\n${bodyRows}\n</tbody>\n</table>`;
}

/** More than half of what a column says: a dash or "unknown" among numbers stands where the numbers do. */
function isOfNumbers(cells: readonly string[]): boolean {
  const said = cells.filter((text) => text !== "" && !DASHES.has(text));
  return said.filter((text) => NUMBER.test(text)).length > said.length / 2;
}
