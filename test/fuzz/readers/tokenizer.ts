import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer } from "../../../src/io/tokenizer.js";
import { mutateBytes } from "../mutate-bytes.js";
import { mutateJson } from "../mutate-json.js";
import { fixture, type Reader, type Sample, type Step, sample } from "../sample.js";

const texts = [
  "Hello, world! 123\n\n  x\u00e9\u4e2d\ud83d\ude00 it's",
  "a".repeat(40),
  "",
  " \u0000\ufeff\ud800",
];
/** A conversation for templates. */
export const conversation = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Hello <s>?" },
  { role: "assistant", content: "Hi." },
];

/** Does with a tokenizer what the program does. */
export async function useTokenizer(tokenizer: Tokenizer, step: Step): Promise<void> {
  for (const text of texts) {
    await step(() => tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: true }));
  }
  await step(() => {
    const stream = tokenizer.stream();
    return [3, 5, 1e9, 0].map((id) => stream.push(id)).join("") + stream.flush();
  });
  await step(() => tokenizer.chatTemplate?.render(conversation, { addGenerationPrompt: true }));
  await step(() => tokenizer.chatTemplate?.renderMarked(conversation));
}

const templates = [
  `{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 1) %}{{ raise_exception('roles') }}{% endif %}<|{{ message.role }}|>{{ message.content | trim }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}`,
  `{% set ns = namespace(n=0) %}{% macro say(m) %}{{ m.content|replace('a', 'b')|upper }}{% endmacro %}{% for m in messages if m.role != 'system' %}{% set ns.n = ns.n + 1 %}{% generation %}{{ say(m) }}{% endgeneration %}{{ range(3) | join(',') }}{{ m | tojson(indent=2) }}{% endfor %}{{ ns.n * 2 }}`,
];

/** The files of tokenizers, and chat templates. */
export const tokenizer: Reader = {
  name: "tokenizer",
  async samples(root) {
    const read = (folder: string, step: Step) =>
      step(async () => useTokenizer(await Tokenizer.fromFolder(folder), step));
    const samples: Sample[] = [];
    for (const name of ["bert", "gpt2", "llama"]) {
      const copyOf = fixture(`tokenizers/${name}`);
      for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
        const bytes = await readFile(join(copyOf, file));
        samples.push(await sample(root, { file, bytes, copyOf, mutate: mutateJson, read }));
      }
    }
    for (const template of templates) {
      const copyOf = fixture("tokenizers/llama");
      const parts = { file: "chat_template.jinja", bytes: template, copyOf, mutate: mutateBytes, read };
      samples.push(await sample(root, parts));
    }
    return samples;
  },
};
