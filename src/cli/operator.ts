/**
 * `doorbuster operator …`: people who may sign in to the console, and the log of what everybody did.
 *
 * Adding people is done here, with the machine's token: somebody who signed in and could invite could be two people. The
 * proof of the log is made by this program from the entries themselves; the node is only asked for them.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { ChainCheck, type LogEntry, type LogHead } from "../domain/operator-log.ts";
import { OPERATOR_ROLES, type OperatorRole } from "../domain/operator-role.ts";
import { CommandFailure } from "./failure.ts";
import { connectOperator, type OperatorClient, type Target } from "./operator-client.ts";
import type { Surroundings } from "./surroundings.ts";
import { renderTable } from "./table.ts";

const API = "/v1/admin";
const LOG_PAGE_ROWS = 500;
const LOG_SHOWN_DEFAULT = 20;
const ENTRY_LENGTH_MAX = 160;

interface ShownPerson {
  readonly id: string;
  readonly name: string;
  readonly role: OperatorRole;
  readonly isActive: boolean;
  readonly isEnrolled: boolean;
  readonly externalId: string | null;
}

interface Invited {
  readonly person: ShownPerson;
  readonly invitation?: { readonly token: string; readonly expiresAt: number };
}

interface LogPage {
  readonly head: LogHead;
  readonly entries: readonly LogEntry[];
}

/** Adds the command and its sub-commands. */
export function addOperator(program: Command, surroundings: Surroundings): void {
  const operator = program.command("operator").description("people who operate, and the log of what they did");
  addPeople(operator, surroundings);
  addLog(operator, surroundings);
}

/** Options that every command which talks to a node has. */
function reaching(command: Command): Command {
  return command
    .option("--url <url>", "the node's operator address (default: this machine, ADMIN_PORT)")
    .option("--token <token>", "the operator token (default: ADMIN_TOKEN, or solo mode's own)");
}

function addPeople(operator: Command, surroundings: Surroundings): void {
  const { out, env } = surroundings;
  reaching(operator.command("add <name>"))
    .description("let a person sign in; prints an invitation for him to choose his password by")
    .addOption(new Option("--role <role>", "what he may do").choices(OPERATOR_ROLES).default("viewer"))
    .option("--external-id <id>", "he signs in at the identity provider, which knows him by this; no invitation")
    .action(async (name: string, options: Target & { role: OperatorRole; externalId?: string }) => {
      const { role, externalId } = options;
      const node = connectOperator(options, env);
      const body = { name, role, ...(externalId === undefined ? {} : { externalId }) };
      out(describeInvited(await node.request<Invited>("POST", `${API}/people`, body), node));
    });
  reaching(operator.command("list"))
    .description("list the people")
    .action(async (options: Target) => {
      const people = await listPeople(connectOperator(options, env));
      const rows = people.map((person) => [person.name, person.role, standingOf(person), person.externalId ?? ""]);
      out(people.length === 0 ? "Nobody yet.\n" : renderTable(["name", "role", "standing", "external id"], rows));
    });
  reaching(operator.command("invite <name>"))
    .description("a new invitation: ends his password, codes and sessions")
    .action(async (name: string, options: Target) => {
      const node = connectOperator(options, env);
      const { id } = await findPerson(node, name);
      out(describeInvited(await node.request<Invited>("POST", `${API}/people/${id}/invitation`, {}), node));
    });
  const change = async (name: string, options: Target, patch: Partial<ShownPerson>): Promise<void> => {
    const node = connectOperator(options, env);
    const { id } = await findPerson(node, name);
    const { person } = await node.request<Invited>("PATCH", `${API}/people/${id}`, patch);
    out(`${person.name}: ${person.role}, ${standingOf(person)}\n`);
  };
  reaching(operator.command("role <name>"))
    .description("change what a person may do, from his next request on")
    .addOption(new Option("--role <role>", "what he may do").choices(OPERATOR_ROLES).makeOptionMandatory())
    .action((name: string, options: Target & { role: OperatorRole }) => change(name, options, { role: options.role }));
  reaching(operator.command("remove <name>"))
    .description("shut a person out and end his sessions; what he did stays in the log")
    .action((name: string, options: Target) => change(name, options, { isActive: false }));
  reaching(operator.command("restore <name>"))
    .description("let a person in again")
    .action((name: string, options: Target) => change(name, options, { isActive: true }));
}

function addLog(operator: Command, surroundings: Surroundings): void {
  const { out, env } = surroundings;
  const log = reaching(operator.command("log"))
    .description("print the last entries of the log")
    .option("--last <count>", `how many (default: ${LOG_SHOWN_DEFAULT})`, wholeNumber)
    .action(async (options: Target & { last?: number }) => {
      const node = connectOperator(options, env);
      const count = Math.min(options.last ?? LOG_SHOWN_DEFAULT, LOG_PAGE_ROWS);
      const { head } = await readLog(node, { after: 0, limit: 1 });
      const { entries } = await readLog(node, { after: Math.max(0, head.seq - count), limit: count });
      for (const entry of entries)
        out(`${entry.seq}  ${new Date(entry.at).toISOString()}  ${shownEntry(entry.entry)}\n`);
    });
  reaching(log.command("verify"))
    .description("prove that no entry was changed, left out or put in; exit 1 when one was")
    .option("--expect <seq:hash>", "an end that was printed or logged before: the chain must still contain it", head)
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<Target & { expect?: LogHead }>();
      const verdict = await verifyLog(connectOperator(options, env), options.expect ?? null);
      out(`${verdict.seq} entries, each continuing the one before. The end: ${verdict.seq}:${verdict.hash}\n`);
    });
}

/** Walks the whole chain; answers its end. Throws CommandFailure at the first entry that is not as it was written. */
async function verifyLog(node: OperatorClient, expected: LogHead | null): Promise<LogHead> {
  const check = new ChainCheck(expected);
  for (;;) {
    const { head: stored, entries } = await readLog(node, { after: check.head.seq, limit: LOG_PAGE_ROWS });
    const wrong = entries.length > 0 ? check.follow(entries) : check.finish(stored);
    if (wrong !== null) throw new CommandFailure(`The operator log is not as it was written: ${wrong}.`);
    if (entries.length === 0) return check.head;
  }
}

function readLog(node: OperatorClient, page: { after: number; limit: number }): Promise<LogPage> {
  return node.request<LogPage>("GET", `${API}/log?after=${page.after}&limit=${page.limit}`);
}

async function listPeople(node: OperatorClient): Promise<readonly ShownPerson[]> {
  return (await node.request<{ people: readonly ShownPerson[] }>("GET", `${API}/people`)).people;
}

async function findPerson(node: OperatorClient, name: string): Promise<ShownPerson> {
  const people = await listPeople(node);
  const person = people.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
  if (person === undefined) throw new CommandFailure(`There is nobody called ${name}; "operator list" names all.`);
  return person;
}

function describeInvited({ person, invitation }: Invited, node: OperatorClient): string {
  const added = `${person.name} is ${person.role}.\n`;
  if (invitation === undefined) return `${added}He signs in at the identity provider.\n`;
  const until = new Date(invitation.expiresAt).toISOString();
  return (
    `${added}Give him this address by a way that nobody else reads. It is good once, until ${until}:\n` +
    `${node.url}/#/join/${invitation.token}\n`
  );
}

function standingOf({ isActive, isEnrolled }: ShownPerson): string {
  if (!isActive) return "shut out";
  return isEnrolled ? "signs in" : "invited";
}

function shownEntry(entry: string): string {
  return entry.length > ENTRY_LENGTH_MAX ? `${entry.slice(0, ENTRY_LENGTH_MAX)}…` : entry;
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("accepted: a whole number such as 20");
}

function head(text: string): LogHead {
  const parts = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text);
  if (parts === null) throw new InvalidArgumentError('accepted: what "operator log verify" printed, such as 12:3f…');
  return { seq: Number(parts[1]), hash: parts[2] ?? "" };
}
