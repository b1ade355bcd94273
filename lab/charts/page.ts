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
  /** Cells are plain text; those that look like numbers stand to the right. */
  readonly table?: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };
}

export interface PageOptions {
  readonly title: string;
  readonly sections: readonly PageSection[];
}

const NUMBER = /^[<>≤≥×~ ]*[-–+]?[\d.,]+(e[-+]?\d+)?( ?[kMGT%µa-zA-Z/]{0,8})?$/;

const STYLE = `:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;background:#fff;color:#1b1b1b}
svg{max-width:100%;height:auto;margin:.5rem 0}.charts{display:flex;flex-wrap:wrap;gap:1rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .75rem;border-bottom:1px solid #8886;text-align:left}.n{text-align:right}
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
    ...(charts.length === 0 ? [] : [`<div class="charts">${charts.join("\n")}</div>`]),
    ...(table === undefined ? [] : [renderTable(table)]),
  ];
  return `<section>\n${parts.join("\n")}\n</section>`;
}

function renderTable({ head, rows }: NonNullable<PageSection["table"]>): string {
  const cell = (text: string): string => `<td${NUMBER.test(text) ? ' class="n"' : ""}>${escapeText(text)}</td>`;
  const headRow = head.map((text) => `<th scope="col">${escapeText(text)}</th>`).join("");
  const bodyRows = rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n");
  return `<div class="wide"><table>\n<thead><tr>${headRow}</tr></thead>\n<tbody>\n${bodyRows}\n</tbody>\n</table></div>`;
}
