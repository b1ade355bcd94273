/**
 * What people send about themselves and each other: names, secrets, decisions; and a price, which takes two of them.
 *
 * Secrets are bounded here and judged elsewhere: an error never repeats what was sent.
 */
import { z } from "zod";
import { PRICE_AMOUNT_MAX } from "../../domain/money.ts";
import { OPERATOR_ROLES } from "../../domain/operator-role.ts";
import { expected, integer, line, members } from "./schemas.ts";

const REASON_LENGTH_MAX = 200;
const SECRET_LENGTH_MAX = 1_024;
const EXTERNAL_ID_LENGTH_MAX = 255;
const NAME_PATTERN = /^[\p{L}\p{N}][\p{L}\p{N} ._@'-]{0,62}[\p{L}\p{N}]$/u;

const nameText = expected("2 to 64 letters, digits, spaces and . _ @ ' -, with a letter or digit at both ends");
const name = z.string(nameText).regex(NAME_PATTERN, nameText);
const role = z.enum(OPERATOR_ROLES, expected(OPERATOR_ROLES.join(", ")));
const secret = (what: string): z.ZodString => {
  const text = expected(`${what}, text of 1 to ${SECRET_LENGTH_MAX} characters`);
  return z.string(text).min(1, text).max(SECRET_LENGTH_MAX, text);
};
const code = z.string(expected("six digits")).regex(/^\d{6}$/, expected("six digits"));

/** Body of `POST /sign-in`. */
export const SignInSchema = members(
  { name: secret("a name"), password: secret("a password"), code },
  "name, password and code",
);

/** Body of `POST /step-up`. */
export const StepUpSchema = members({ code }, "a code");

/** Body of `POST /enrolment`. */
export const EnrolmentSchema = members({ invitation: secret("an invitation") }, "an invitation");

/** Body of `POST /enrolment/complete`. */
export const EnrolmentCompleteSchema = members(
  { invitation: secret("an invitation"), password: secret("a password"), code },
  "an enrolment",
);

/** Body of `POST /people`. With `externalId` the person signs in at the identity provider, else by invitation. */
export const NewPersonSchema = members({ name, role, externalId: line(EXTERNAL_ID_LENGTH_MAX).optional() }, "a person");

/** Body of `PATCH /people/{id}`. */
export const PersonPatchSchema = members(
  { role: role.optional(), isActive: z.boolean(expected("true or false")).optional() },
  "a change",
).superRefine((patch, context) => {
  if (Object.keys(patch).length === 0) context.addIssue({ code: "custom", message: "changes nothing: name a field" });
});

/** Body of `POST /approvals/{id}/approve`: the digest of what was shown to who decides. */
export const DecisionSchema = members(
  { digest: z.string(expected("the request's digest")).regex(/^[A-Za-z0-9_-]{43}$/, expected("the request's digest")) },
  "a decision",
);

/** Body of `PUT …/price`. */
export const PriceSchema = members(
  {
    amount: integer({ min: 0, max: PRICE_AMOUNT_MAX }, "the price in minor units (cents)"),
    reason: line(REASON_LENGTH_MAX),
  },
  "a price",
);
