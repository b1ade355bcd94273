/**
 * A capacity certificate in words, for whoever had it made. The one line about a sale is domain/rehearsed-line.ts.
 */
import type { CapacityCertificate, MeasuredRate } from "../domain/certificate.ts";
import { counted } from "../domain/counted.ts";

/** A few lines of text. */
export function describeCertificate(certificate: CapacityCertificate): string {
  const { decidesPerS, acceptsPerS, p99Ms, latencyMsMax, mode, nodes, accepts, refuses, crowd } = certificate;
  const lines = [
    `Certificate ${certificate.id} of deployment ${certificate.deployment}, ${instant(certificate.issuedAt)}, version ${certificate.version}`,
    `  ${mode} mode, ${counted(nodes, "process", "processes")}, settings ${certificate.settings}`,
    `  decides ${decidesPerS}/s and accepts ${acceptsPerS}/s at p99 ${p99Ms} ms (bound ${latencyMsMax} ms), without an error`,
    `  accepting  ${describeRate(accepts)}`,
    `  refusing   ${refuses === null ? "not measured: the time was over" : describeRate(refuses)}`,
    ...(crowd === null ? [] : [`  headroom   ${crowd.headroom} x for ${crowd.buyers} buyers: ${crowd.how}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function describeRate({ limitedBy, because, cpuUsPerDecision }: MeasuredRate): string {
  const cpu = Object.entries(cpuUsPerDecision ?? {}).map(([part, us]) => `${part} ${us} µs`);
  return `limited by ${limitedBy} (${because})${cpu.length === 0 ? "" : `; a decision costs ${cpu.join(", ")}`}`;
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z");
}
