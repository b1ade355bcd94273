import { expect, test } from "bun:test";
import fc from "fast-check";
import { Agenda } from "./agenda.ts";

test("gives back what it was given, earliest first, whatever is added meanwhile", () => {
  const step = fc.oneof(
    { weight: 2, arbitrary: fc.nat(1_000) },
    { weight: 1, arbitrary: fc.constant("take" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const agenda = new Agenda<{ readonly dueMs: number }>();
      const model: number[] = [];
      for (const one of steps) {
        if (one === "take") expect(agenda.take()?.dueMs).toBe(model.shift());
        else {
          agenda.add({ dueMs: one });
          model.push(one);
          model.sort((left, right) => left - right);
        }
        expect([agenda.size, agenda.nextMs]).toEqual([model.length, model[0] ?? Number.POSITIVE_INFINITY]);
      }
    }),
  );
});
