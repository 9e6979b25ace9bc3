/**
 * The part of `@huggingface/jinja` that is used. The package's own declarations import each other without file
 * extensions, which `moduleResolution: nodenext` does not follow: everything would be `any`.
 */
declare module "@huggingface/jinja" {
  /** A node of a parsed template. */
  export interface Node {
    readonly type: string;
  }

  /** A value in a template: a text, a number, a list of values, a map of them, a function. */
  export interface Value {
    readonly type: string;
    readonly value: unknown;
    toString(): string;
  }

  /** What of the white space around blocks is cut off. */
  export interface PreprocessOptions {
    readonly lstrip_blocks?: boolean;
    readonly trim_blocks?: boolean;
  }

  /** @throws Error when the source is no template. */
  export function tokenize(source: string, options?: PreprocessOptions): object[];
  export function parse(tokens: object[]): Node;

  export class Environment {
    constructor(parent?: Environment);
    set(name: string, value: unknown): Value;
    setVariable(name: string, value: Value): Value;
  }

  export class Interpreter {
    constructor(environment: Environment);
    run(program: Node): Value;
    evaluate(node: Node | undefined, environment: Environment): Value;
  }

  export class Template {
    constructor(source: string);
    render(variables?: Record<string, unknown>): string;
  }
}
