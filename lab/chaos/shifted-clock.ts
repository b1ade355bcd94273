/**
 * Loaded into a node before its program (bun --preload, node --import): lets the laboratory step that process's wall clock.
 *
 * CLOCK_SHIFT_FILE names a file with a number of milliseconds; `Date` is off by that much from the moment the file says so.
 * Monotonic time and timers are left alone, as by an administrator who sets the clock of a running machine. The product
 * knows nothing of this.
 */
import { existsSync, readFileSync } from "node:fs";

const LOOK_INTERVAL_MS = 50;

const path = process.env["CLOCK_SHIFT_FILE"];
if (path !== undefined) shiftClock(path);

function shiftClock(file: string): void {
  const RealDate = Date;
  let shiftMs = 0;
  const look = (): void => {
    shiftMs = existsSync(file) ? Number(readFileSync(file, "utf8")) || 0 : 0;
  };
  look();
  setInterval(look, LOOK_INTERVAL_MS).unref();
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [RealDate.now() + shiftMs] : args, newTarget) as Date,
    get: (target, name) => (name === "now" ? () => RealDate.now() + shiftMs : Reflect.get(target, name)),
  });
}
