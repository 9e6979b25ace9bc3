import { z } from "zod";
import { withinTime } from "#time-limit";
import { InputError } from "../errors.js";
import { BoundedTemplate } from "./bounded-template.js";
import type { JsonObject } from "./json-file.js";
import { parseWith } from "./validate.js";

/** What a template is given as a message. */
export type TemplateMessage = Readonly<Record<string, unknown>>;

/** Characters that no text has: they stand where a template marks what the assistant says. */
const noncharacters = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i));

/** A tag that marks a part of the assistant's, with the white space that Jinja cuts off around it. */
const marker = /(?:^[ \t]*)?\{%(-?)\s*(?:end)?generation\s*(-?)%\}\n?/gm;

const sources = z.union([
  z.string(),
  z.array(z.looseObject({ name: z.string(), template: z.string() })).min(1),
]);

/**
 * A model's own Jinja template, which turns a conversation into the text that the model was trained on. It sees the
 * messages and the names of special tokens, and nothing else: no files, no includes. It ends within a second.
 */
export class ChatTemplate {
  readonly #where: string;
  readonly #source: string;
  readonly #tokens: JsonObject;
  readonly #template: BoundedTemplate;

  /**
   * @param source the template.
   * @param tokens the text of special tokens, by their names in `tokenizer_config.json`.
   * @param where what error messages call it.
   * @throws InputError when it is no Jinja template.
   */
  constructor(source: string, tokens: JsonObject, where: string) {
    this.#where = where;
    this.#source = source;
    this.#tokens = tokens;
    this.#template = this.#parse(source);
  }

  /** The template in a tokenizer's config: the default one, if there are several. Undefined when there is none. */
  static fromConfig(config: JsonObject, where: string): ChatTemplate | undefined {
    if (config.chat_template === undefined || config.chat_template === null) return undefined;
    const found = parseWith(sources, config.chat_template, where);
    const source =
      typeof found === "string"
        ? found
        : (found.find(({ name }) => name === "default") ?? found[0]!).template;
    return new ChatTemplate(source, specialTokens(config), where);
  }

  /**
   * The text of a conversation.
   *
   * @param options `addGenerationPrompt`: whether what opens an answer stands at the end. Default: false.
   * @throws InputError when the template cannot be rendered, or refuses the messages.
   */
  render(
    messages: readonly TemplateMessage[],
    { addGenerationPrompt = false }: { addGenerationPrompt?: boolean } = {},
  ): string {
    return this.#run(this.#template, messages, addGenerationPrompt);
  }

  /**
   * The text of a conversation in pieces, of which each second one is what the template marks as the assistant's, with
   * `{% generation %}` and `{% endgeneration %}`. Undefined when it marks nothing.
   */
  renderMarked(messages: readonly TemplateMessage[]): string[] | undefined {
    const said = JSON.stringify(messages);
    const mark = noncharacters.find((character) => !said.includes(character));
    if (mark === undefined) throw new InputError(this.#where, "is given messages that are not text");
    const source = this.#source.replaceAll(marker, (_, left, right) => `{{${left}"${mark}"${right}}}`);
    if (source === this.#source) return undefined;
    return this.#run(this.#parse(source), messages, false).split(mark);
  }

  #parse(source: string): BoundedTemplate {
    try {
      return new BoundedTemplate(source);
    } catch (error) {
      throw this.#error("is not a template that can be used", error);
    }
  }

  #run(
    template: BoundedTemplate,
    messages: readonly TemplateMessage[],
    addGenerationPrompt: boolean,
  ): string {
    const variables = { ...this.#tokens, messages, add_generation_prompt: addGenerationPrompt };
    try {
      const rendered = withinTime(() => template.render(variables));
      if (rendered) return rendered.value;
    } catch (error) {
      throw this.#error("cannot be rendered", error);
    }
    throw new InputError(this.#where, "takes too long to render; give another template");
  }

  #error(problem: string, error: unknown): InputError {
    const reason = error instanceof Error ? error.message : String(error);
    return new InputError(this.#where, `${problem} (${reason}); give another template`, { cause: error });
  }
}

/** `bos_token` and the like; newer files have objects with the text in `content`. */
function specialTokens(config: JsonObject): JsonObject {
  const named = Object.entries(config).filter(([name]) => name.endsWith("_token"));
  const texts = named.map(([name, value]) => [
    name,
    typeof value === "object" && value !== null && "content" in value ? value.content : value,
  ]);
  return Object.fromEntries(texts.filter(([, value]) => typeof value === "string"));
}
