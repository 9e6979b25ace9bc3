import { z } from "zod";
import { badRequest } from "./api-error.js";

const tokenIds = z.array(z.int().nonnegative()).min(1);

/** Fields that mean nothing here, and change nothing of the text. */
const ignored = {
  user: z.string().nullish(),
  metadata: z.looseObject({}).nullish(),
  store: z.boolean().nullish(),
  service_tier: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
};

/** Fields with the one value that is supported: that of a request without them. */
const fixed = {
  n: z.literal(1, "only 1 is supported").nullish(),
  frequency_penalty: z.literal(0, "only 0 is supported").nullish(),
  presence_penalty: z.literal(0, "only 0 is supported").nullish(),
  logit_bias: z.strictObject({}, "is not supported").nullish(),
};

/** Fields of both endpoints. */
const common = {
  model: z.string(),
  max_tokens: z.int().positive().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  /** Not OpenAI's, but of most servers that follow it. */
  top_k: z.int().positive().nullish(),
  seed: z.int().nullish(),
  stop: z
    .union([
      z
        .string()
        .min(1)
        .transform((text) => [text]),
      z.array(z.string().min(1)).max(4),
    ])
    .nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: z.boolean().nullish() })
    .nullish(),
  ...ignored,
  ...fixed,
};

/** The body of `POST /v1/completions`. */
export const completionFields = z.strictObject({
  ...common,
  prompt: z
    .union(
      [z.string(), tokenIds, z.array(z.string()).min(1), z.array(tokenIds).min(1)],
      "expected a text, token ids, or a list of either",
    )
    .transform((prompt): (string | number[])[] => {
      if (typeof prompt === "string") return [prompt];
      return typeof prompt[0] === "number" ? [prompt as number[]] : (prompt as (string | number[])[]);
    }),
  best_of: z.literal(1, "only 1 is supported").nullish(),
  echo: z.literal(false, "is not supported").nullish(),
  logprobs: z.null("are not supported").optional(),
  suffix: z.literal("", "is not supported").nullish(),
});

const text = z.union(
  [
    z.string(),
    z
      .array(z.strictObject({ type: z.literal("text"), text: z.string() }))
      .transform((parts) => parts.map((part) => part.text).join("")),
  ],
  "expected a text, or a list of parts of type text",
);

/** The body of `POST /v1/chat/completions`. */
export const chatFields = z.strictObject({
  ...common,
  messages: z
    .array(
      z.strictObject({
        role: z.enum(["system", "developer", "user", "assistant"]),
        content: text,
        name: z.string().optional(),
        refusal: z.null().optional(),
      }),
    )
    .min(1),
  max_completion_tokens: z.int().positive().nullish(),
  logprobs: z.literal(false, "are not supported").nullish(),
  response_format: z.strictObject({ type: z.literal("text", "only text is supported") }).nullish(),
});

/** Fields that say how a text is written, whichever endpoint they came to. */
export type CommonFields = Pick<
  z.output<typeof chatFields>,
  "model" | "temperature" | "top_p" | "top_k" | "seed" | "stop" | "stream" | "stream_options"
>;

/** Checks a request's body. @throws ApiError naming the first field that does not fit. */
export function parseFields<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  if (issue.code === "unrecognized_keys" && issue.path.length === 0) {
    const param = issue.keys[0]!;
    throw badRequest(`${param}: is not a field that is supported here; leave it out`, {
      param,
      code: "unsupported_parameter",
    });
  }
  const param = issue.path.join(".");
  throw badRequest(
    param ? `${param}: ${issue.message}` : `the body: ${issue.message}`,
    param ? { param } : {},
  );
}
