/**
 * The thread that draws puzzles, so that drawing never delays an answer to a buyer.
 *
 * It is told how many of which it shall draw, and sends them back together. Knows nobody and keeps nothing.
 */
import { parentPort } from "node:worker_threads";
import { drawArithmetic } from "./arithmetic-drawing.ts";
import { Chance } from "./chance.ts";
import type { DrawingOrder, DrawnPuzzles } from "./drawing-thread.ts";
import { drawSlide } from "./slide-drawing.ts";

const port = parentPort;
if (port === null) throw new Error("this file runs as a worker thread of adapters/drawing-thread/drawing-thread.ts");
const chance = new Chance();

function draw({ kind, level, count }: DrawingOrder): DrawnPuzzles {
  const each = <Drawing>(drawOne: () => Drawing): Drawing[] => Array.from({ length: count }, drawOne);
  return kind === "slide"
    ? { kind, level, drawings: each(() => drawSlide(level, chance)) }
    : { kind, level, drawings: each(() => drawArithmetic(level, chance)) };
}

port.on("message", (order: DrawingOrder) => port.postMessage(draw(order)));
