/**
 * Risk over all processes: how many attempts stood in which band, which causes counted, and who was suspicious lately.
 *
 * A suspect can be banned or exempted from here; both are undone on the page of bans. Figures are since each process
 * began, so they fall when one restarts.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AdminApi, textOf } from "./admin-api.ts";
import { maySteer } from "./console-state.ts";
import { type RiskDocument, sumRisk } from "./risk-document.ts";
import { formatCount, formatMoment } from "./words.ts";

const REFRESH_MS = 5_000;
const DAY_MS = 86_400_000;
const BANDS = [
  ["pass", "pass"],
  ["challenge", "asked for a challenge"],
  ["slow_down", "slowed down"],
  ["refuse", "highest"],
] as const;

export function RiskPage({ api }: { api: AdminApi }) {
  const risk = useSignal<RiskDocument | null>(null);
  const problem = useSignal("");
  const done = useSignal("");
  const load = async () => {
    try {
      risk.value = await api.call<RiskDocument>("GET", "/risk");
      problem.value = "";
    } catch (error) {
      problem.value = textOf(error);
    }
  };
  const decide = async (buyerId: string, effect: "refuse" | "exempt") => {
    const ban = { kind: "buyer", subject: buyerId, effect, durationMs: DAY_MS, reason: "decided on the page of risk" };
    try {
      await api.call("POST", "/bans", ban);
      done.value = `${buyerId} is ${effect === "exempt" ? "exempt" : "banned"} for a day.`;
    } catch (error) {
      problem.value = textOf(error);
    }
  };
  useEffect(() => {
    void load();
    const timer = setInterval(() => void load(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [api]);
  return (
    <div class="stack">
      <h1 tabIndex={-1}>Risk</h1>
      <p class="soft">
        A score says how unusual an attempt is, not who may buy. It costs a challenge or a wait; what it weighs is in
        the configuration.
      </p>
      <p class="bad" role="alert">
        {problem}
      </p>
      <p role="status">{done}</p>
      {risk.value === null ? problem.value === "" && <p class="soft">Loading…</p> : <Figures risk={risk.value} />}
      {risk.value !== null && (
        <Suspects risk={risk.value} onDecide={(buyerId, effect) => void decide(buyerId, effect)} />
      )}
    </div>
  );
}

function Figures({ risk }: { risk: RiskDocument }) {
  const sum = sumRisk(risk);
  return (
    <section class="card stack">
      <h2>Attempts</h2>
      <p class="row">
        {BANDS.map(([band, text]) => (
          <span key={band} class="chip">
            {text}: {formatCount(sum.bands[band])}
          </span>
        ))}
      </p>
      <h2>Causes</h2>
      {sum.causes.length === 0 && <p class="soft">Nothing was held against any attempt.</p>}
      <ul class="list">
        {sum.causes.map(({ cause, count, text }) => (
          <li key={cause} class="pair">
            <span>
              <span class="mono">{cause}</span> <span class="soft small">{text}</span>
            </span>
            <span>{formatCount(count)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Suspects({
  risk,
  onDecide,
}: {
  risk: RiskDocument;
  onDecide: (buyerId: string, effect: "refuse" | "exempt") => void;
}) {
  const { suspects } = sumRisk(risk);
  return (
    <section class="stack">
      <h2>Suspicious lately</h2>
      {suspects.length === 0 && <p class="soft">Nobody.</p>}
      <ul class="list">
        {suspects.map((suspect) => (
          <li key={suspect.buyerId} class="card row spread">
            <div>
              <p>
                <span class="chip">{suspect.score}</span> <span class="mono">{suspect.buyerId}</span>
              </p>
              <p class="small soft">
                {suspect.causes.join(", ")} · {formatMoment(suspect.at)}
                {suspect.device !== "" && ` · device ${suspect.device}`} · network {suspect.network}
              </p>
            </div>
            {maySteer.value && (
              <div class="row">
                <button type="button" class="button small" onClick={() => onDecide(suspect.buyerId, "exempt")}>
                  Exempt<span class="hidden"> {suspect.buyerId}</span>
                </button>
                <button type="button" class="button small danger" onClick={() => onDecide(suspect.buyerId, "refuse")}>
                  Ban<span class="hidden"> {suspect.buyerId}</span>
                </button>
              </div>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
