/**
 * A table that a phone can show: figures beside each other where there is room, one block a row where there is not.
 *
 * How wide its place is decides, not how wide the screen is. In blocks each value carries its heading, and the roles are
 * written out, because a browser may forget a table's own when its boxes are no cells any more. Rows may have details, which
 * open below them.
 */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

export interface Column<Row> {
  readonly heading: string;
  readonly show: (row: Row) => ComponentChildren;
  readonly isNumber?: boolean;
  /** Takes a whole line of a block: long ids and sentences. */
  readonly isLong?: boolean;
}

export interface DataTableProps<Row> {
  /** What the table is of, for those who hear it. */
  readonly label: string;
  /** The first one names the row. */
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  readonly details?: {
    /** What the row is called beside the word "Details". */
    readonly nameOf: (row: Row) => string;
    readonly show: (row: Row) => ComponentChildren;
  };
}

/** Written out: see the head of this file. */
const AS = {
  table: { role: "table" },
  group: { role: "rowgroup" },
  row: { role: "row" },
  heading: { role: "columnheader" },
  name: { role: "rowheader" },
  cell: { role: "cell" },
} as const;

export function DataTable<Row>({ label, columns, rows, keyOf, details }: DataTableProps<Row>) {
  const open = useSignal<ReadonlySet<string>>(new Set());
  const toggle = (key: string) => {
    const next = new Set(open.value);
    if (!next.delete(key)) next.add(key);
    open.value = next;
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section class="table-place" tabIndex={0} aria-label={label}>
      <table class="data" {...AS.table}>
        <thead {...AS.group}>
          <tr {...AS.row}>
            {columns.map(({ heading, isNumber }) => (
              <th key={heading} scope="col" class={isNumber === true ? "number" : ""} {...AS.heading}>
                {heading}
              </th>
            ))}
            {details !== undefined && (
              <th scope="col" {...AS.heading}>
                <span class="hidden">Details</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody {...AS.group}>
          {rows.map((row) => {
            const key = keyOf(row);
            const isOpen = open.value.has(key);
            return [
              <tr key={key} {...AS.row}>
                <Cells columns={columns} row={row} />
                {details !== undefined && (
                  <td class="more-of" {...AS.cell}>
                    <button type="button" class="button small quiet" aria-expanded={isOpen} onClick={() => toggle(key)}>
                      Details<span class="hidden"> of {details.nameOf(row)}</span>
                    </button>
                  </td>
                )}
              </tr>,
              isOpen && (
                <tr key={`${key} details`} class="details" {...AS.row}>
                  <td colSpan={columns.length + 1} {...AS.cell}>
                    {details?.show(row)}
                  </td>
                </tr>
              ),
            ];
          })}
        </tbody>
      </table>
    </section>
  );
}

function Cells<Row>({ columns, row }: { columns: readonly Column<Row>[]; row: Row }) {
  return (
    <>
      {columns.map(({ heading, show, isNumber, isLong }, index) => {
        const look = `${isNumber === true ? "number" : ""} ${isLong === true ? "long" : ""}`.trim();
        return index === 0 ? (
          <th key={heading} scope="row" class={look} data-heading={heading} {...AS.name}>
            {show(row)}
          </th>
        ) : (
          <td key={heading} class={look} data-heading={heading} {...AS.cell}>
            {show(row)}
          </td>
        );
      })}
    </>
  );
}
