/**
 * A labelled field with its hint and its error: the one way the console asks for anything.
 */
import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";

export interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly error?: string | undefined;
  readonly hint?: ComponentChildren;
  readonly type?: "text" | "datetime-local";
  readonly inputMode?: "numeric" | "decimal";
  readonly list?: string;
  readonly isLong?: boolean;
}

export function Field({ id, label, value, onValue, error, hint, type, inputMode, list, isLong }: FieldProps) {
  const shared = {
    id,
    class: "input",
    value,
    "aria-invalid": error !== undefined,
    "aria-describedby": `${id}-said`,
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {isLong === true ? (
        <textarea {...shared} rows={3} onInput={(event) => onValue(event.currentTarget.value)} />
      ) : (
        <input
          {...shared}
          type={type ?? "text"}
          autocomplete="off"
          {...(inputMode === undefined ? {} : { inputMode })}
          {...(list === undefined ? {} : { list })}
          onInput={(event) => onValue(event.currentTarget.value)}
        />
      )}
      <p id={`${id}-said`} class={`small ${error === undefined ? "soft" : "bad"}`}>
        {error ?? hint}
      </p>
    </div>
  );
}

/** The two props that tie a field to a signal. */
export function bound(text: Signal<string>): Pick<FieldProps, "value" | "onValue"> {
  return {
    value: text.value,
    onValue: (value) => {
      text.value = value;
    },
  };
}
