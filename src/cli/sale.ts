/**
 * `doorbuster sale …`: what an operator does to a sale, from the shell, through the operator API.
 */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { Money } from "../domain/money.ts";
import { findRehearsals, rehearsedLine } from "../domain/rehearsed-line.ts";
import type { Sale, SaleState } from "../domain/sale.ts";
import { CommandFailure, EXIT_USAGE } from "./failure.ts";
import { connectOperator, type OperatorClient, type Target } from "./operator-client.ts";
import { readSaleFile, SALE_FILE_HELP } from "./sale-file.ts";
import type { Surroundings } from "./surroundings.ts";
import { renderTable } from "./table.ts";

interface SaleOptions extends Target {
  readonly json?: true;
}

/** A sale as the operator API shows it; only what the tables print is named. */
interface ShownSale extends Pick<Sale, "id" | "name" | "opensAt" | "closesAt"> {
  readonly state: SaleState;
  readonly items: readonly {
    readonly sku: string;
    readonly price: Money;
    readonly perBuyerMax: number;
    readonly total: number;
    readonly free: number;
    readonly held: number;
    readonly sold: number;
  }[];
}

const COMMANDS = {
  open: "open a sale now, whatever its schedule says",
  pause: "stop accepting attempts; nothing that was accepted is lost",
  resume: "go on after a pause",
  close: "end a sale for good",
} as const;

/** Adds the command and its sub-commands. */
export function addSale(program: Command, surroundings: Surroundings): void {
  const sale = program.command("sale").description("create, look at and steer sales on a running node");
  const command = (usage: string, text: string): Command =>
    sale
      .command(usage)
      .description(text)
      .option("--url <url>", "the node's operator address (default: this machine, ADMIN_PORT)")
      .option("--token <token>", "the operator token (default: ADMIN_TOKEN, or solo mode's own)")
      .option("--json", "print what the node answers, unchanged");

  command("create <file>", "create a sale from a JSON file; - reads standard input")
    .addHelpText("after", SALE_FILE_HELP)
    .action((file: string, options: SaleOptions) => createSale(file, options, surroundings));
  command("list", "list all sales").action((options: SaleOptions) => listSales(options, surroundings));
  command("show <id>", "show one sale").action(async (id: string, options: SaleOptions) => {
    const operator = connectOperator(options, surroundings.env);
    print(await operator.request<ShownSale>("GET", salePath(id)), options, surroundings);
    if (options.json) return;
    const known = await findRehearsals((path) => operator.request("GET", `/v1/admin${path}`), id);
    const line = rehearsedLine(known, { saleId: id, showInstant: instant });
    if (line !== null) surroundings.out(`\n${line}\n`);
  });
  for (const [name, text] of Object.entries(COMMANDS)) {
    command(`${name} <id>`, text).action(async (id: string, options: SaleOptions) => {
      const operator = connectOperator(options, surroundings.env);
      print(await operator.request<ShownSale>("POST", `${salePath(id)}/${name}`), options, surroundings);
    });
  }
}

/** The operator API's path of a sale, whatever characters the id has. */
export function salePath(id: string): string {
  return `/v1/admin/sales/${encodeURIComponent(id)}`;
}

async function createSale(file: string, options: SaleOptions, surroundings: Surroundings): Promise<void> {
  const text = file === "-" ? await surroundings.readInput() : readText(file);
  const sale = readSaleFile(text, file === "-" ? "Standard input" : file);
  const operator = connectOperator(options, surroundings.env);
  print(await operator.request<ShownSale>("POST", "/v1/admin/sales", sale), options, surroundings);
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CommandFailure(`Cannot read ${file}: ${(error as Error).message}`, EXIT_USAGE);
  }
}

async function listSales(options: SaleOptions, surroundings: Surroundings): Promise<void> {
  const operator: OperatorClient = connectOperator(options, surroundings.env);
  const answer = await operator.request<{ sales: readonly ShownSale[] }>("GET", "/v1/admin/sales");
  if (options.json) {
    surroundings.out(`${JSON.stringify(answer, null, 2)}\n`);
    return;
  }
  if (answer.sales.length === 0) {
    surroundings.out("No sales yet.\n");
    return;
  }
  const rows = answer.sales.map((sale) => [
    sale.id,
    sale.state,
    instant(sale.opensAt),
    instant(sale.closesAt),
    sale.name,
  ]);
  surroundings.out(renderTable(["id", "state", "opens", "closes", "name"], rows));
}

function print(sale: ShownSale, options: SaleOptions, surroundings: Surroundings): void {
  surroundings.out(options.json ? `${JSON.stringify(sale, null, 2)}\n` : describeSale(sale));
}

function describeSale(sale: ShownSale): string {
  const rows = sale.items.map((item) => [
    item.sku,
    priceText(item.price),
    item.perBuyerMax,
    item.total,
    item.free,
    item.held,
    item.sold,
  ]);
  const head = `${sale.id}  ${sale.state}  ${sale.name}\nopens ${instant(sale.opensAt)}  closes ${instant(sale.closesAt)}\n\n`;
  return head + renderTable(["sku", "price", "per buyer", "total", "free", "held", "sold"], rows);
}

/** Minor units with as many digits as the currency has. */
function priceText(price: Money): string {
  const format = new Intl.NumberFormat("en", { style: "currency", currency: price.currency, currencyDisplay: "code" });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 0;
  return `${(price.amount / 10 ** digits).toFixed(digits)} ${price.currency}`;
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z");
}
