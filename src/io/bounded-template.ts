import {
  Environment,
  Interpreter,
  type Node,
  type PreprocessOptions,
  parse,
  Template,
  tokenize,
  type Value,
} from "@huggingface/jinja";

/*
 * The Jinja library runs any template, for as long as it runs and as large as it gets. Here a template comes with a
 * model: its interpreter looks at the clock at every step, and asks how large a text will be before it is made.
 */

/** What a template may need. A conversation of a thousand messages takes some 50,000 steps and as many characters as it has. */
const limits = {
  /** Milliseconds for one rendering. */
  time: 900,
  /** Characters of a template, of a text that it makes, beside what it is given. */
  text: 2 ** 20,
  /** Items of a list. */
  items: 2 ** 16,
  /** Spaces of an indentation. */
  indent: 64,
} as const;

/** The filters and methods that make texts larger than what they are given. */
const growing = ["replace", "join", "indent", "tojson"];

/** A template that ends: one that runs or grows beyond the limits throws. It sees its variables, `range` and the date. */
export class BoundedTemplate {
  readonly #program: ReturnType<typeof parse>;

  /**
   * @param space what of the white space around blocks is cut off; that of chat templates unless given.
   * @throws Error when it is no Jinja template.
   */
  constructor(source: string, space: PreprocessOptions = { lstrip_blocks: true, trim_blocks: true }) {
    if (source.length > limits.text) throw new Error(`it has more than ${limits.text} characters`);
    this.#program = parse(tokenize(source, space));
  }

  /** @throws Error when it fails, runs too long or makes too much. */
  render(variables: Readonly<Record<string, unknown>>): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries({ ...globals, ...variables })) environment.set(name, value);
    const longest = limits.text + 4 * lengthOf(variables);
    return new BoundedInterpreter(environment, longest).run(this.#program).toString();
  }
}

const globals = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  raise_exception: (reason: unknown) => {
    throw new Error(String(reason));
  },
  range: (start: number, stop?: number, step = 1) => {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    const count = Math.max(0, Math.ceil((to - from) / step));
    if (!(count <= limits.items))
      throw new Error(`range() gives ${count} items, at most ${limits.items} are allowed`);
    return Array.from({ length: count }, (_, i) => from + i * step);
  },
  // The library exports the function to its own templates alone.
  strftime_now: (format: string) =>
    new Template("{{ strftime_now(format) }}").render({ format: String(format).slice(0, 1000) }),
};

/** Characters of all texts in a value. */
function lengthOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce((sum: number, item) => sum + lengthOf(item), 0);
}

class BoundedInterpreter extends Interpreter {
  readonly #longest: number;
  readonly #end = performance.now() + limits.time;
  /** How large lists and mappings are as texts: what is in one twice counts twice. */
  readonly #sizes = new WeakMap<object, number>();
  /** Method calls whose result has been looked at. */
  readonly #checked = new WeakSet<object>();

  constructor(environment: Environment, longest: number) {
    super(environment);
    this.#longest = longest;
  }

  override evaluate(node: Node | undefined, environment: Environment): Value {
    if (performance.now() > this.#end) throw new Error(`it runs longer than ${limits.time} ms`);
    const value = node ? this.#evaluate(node, environment) : super.evaluate(node, environment);
    this.#check(this.#sizeOf(value));
    return value;
  }

  #evaluate(node: Node, environment: Environment): Value {
    if (isFilter(node)) return this.#filtered(node.operand, node.filter, environment);
    if (isFilterBlock(node)) {
      return this.#filtered({ type: "Program", body: node.body } as Node, node.filter, environment);
    }
    if (isCall(node) && isMember(node.callee)) return this.#called(node, node.callee, environment);
    const value = super.evaluate(node, environment);
    if (isMember(node) && value.type === "FunctionValue" && !this.#checked.has(node)) {
      throw new Error("it takes a method without calling it");
    }
    return value;
  }

  /** `operand | filter(...)`, when its result is not too large. */
  #filtered(operand: Node, filter: Node, environment: Environment): Value {
    const scope = new Environment(environment);
    const value = this.evaluate(operand, environment);
    const name = nameOf(isCall(filter) ? filter.callee : filter);
    // Others ask how their arguments are written.
    const binds = isCall(filter) && growing.includes(name);
    const given = binds ? this.#bindAll(filter.args, environment, scope) : [];
    this.#checkGrowth(name, value, given);
    const bound = binds ? { ...filter, args: given.map(({ node }) => node) } : filter;
    return super.evaluate(
      { type: "FilterExpression", operand: bind(value, scope), filter: bound } as Node,
      scope,
    );
  }

  /** `object.method(...)`, when its result is not too large. */
  #called(call: Call, callee: Member, environment: Environment): Value {
    const scope = new Environment(environment);
    const value = this.evaluate(callee.object, environment);
    const given = this.#bindAll(call.args, environment, scope);
    const property = callee.computed ? this.evaluate(callee.property, environment) : undefined;
    this.#checkGrowth(property ? String(property.value) : nameOf(callee.property), value, given);
    const method = {
      ...callee,
      object: bind(value, scope),
      property: property ? bind(property, scope) : callee.property,
    };
    this.#checked.add(method);
    return super.evaluate({ ...call, callee: method, args: given.map(({ node }) => node) } as Node, scope);
  }

  /** Arguments, each evaluated once; lists that are spread out are left to the library. */
  #bindAll(nodes: readonly Node[], environment: Environment, scope: Environment): Argument[] {
    return nodes.map((node): Argument => {
      if (node.type.endsWith("SpreadExpression")) return { node, value: undefined };
      const named = node.type === "KeywordArgumentExpression";
      const value = this.evaluate(named ? (node as Node & { value: Node }).value : node, environment);
      const name = bind(value, scope);
      return { node: named ? ({ ...node, value: name } as Node) : name, value };
    });
  }

  /** @throws Error when a filter or method would make too large a text. */
  #checkGrowth(name: string, operand: Value, given: readonly Argument[]): void {
    const texts = given.flatMap(({ value }) => (value?.type === "StringValue" ? [String(value.value)] : []));
    const numbers = given.flatMap(({ value }) => (typeof value?.value === "number" ? [value.value] : []));
    const own = this.#sizeOf(operand);
    const [first = "", second = ""] = texts;
    switch (name) {
      case "replace": {
        const places = first === "" ? own + 1 : String(operand.value).split(first).length - 1;
        this.#check(own + places * second.length);
        break;
      }
      case "join": {
        const items = Array.isArray(operand.value) ? operand.value.length : own;
        this.#check(own + items * first.length);
        break;
      }
      case "indent":
      case "tojson":
        if (numbers.some((width) => width > limits.indent))
          throw new Error(`it indents by more than ${limits.indent}`);
        this.#check(own + Math.max(0, ...numbers) * String(operand.value).split("\n").length);
        if (texts.some(({ length }) => length > limits.indent))
          throw new Error("its separators are too long");
    }
  }

  #check(size: number): void {
    if (size > this.#longest) throw new Error(`it makes more than ${this.#longest} characters`);
  }

  #sizeOf({ type, value }: Value): number {
    if (typeof value === "string") return value.length;
    if (type !== "ArrayValue" && type !== "TupleValue" && type !== "ObjectValue") return 1;
    const known = this.#sizes.get(value as object);
    if (known !== undefined) return known;
    const items = (
      Array.isArray(value) ? value : [...(value as ReadonlyMap<string, Value>).values()]
    ) as Value[];
    const size = items.reduce((sum, item) => sum + 1 + this.#sizeOf(item), 0);
    this.#sizes.set(value as object, size);
    return size;
  }
}

/** An argument: as a node that names its value. */
interface Argument {
  readonly node: Node;
  /** Undefined where it stands for several. */
  readonly value: Value | undefined;
}

let bindings = 0;

/** Gives a value a name that no template can spell. */
function bind(value: Value, scope: Environment): Node {
  const name = `\u0000${bindings++}`;
  scope.setVariable(name, value);
  return { type: "Identifier", value: name } as Node;
}

type Call = Node & { readonly callee: Node; readonly args: readonly Node[] };
type Member = Node & { readonly object: Node; readonly property: Node; readonly computed: boolean };
type Filter = Node & { readonly operand: Node; readonly filter: Node };
type FilterBlock = Node & { readonly body: readonly Node[]; readonly filter: Node };

const isCall = (node: Node): node is Call => node.type === "CallExpression";
const isMember = (node: Node): node is Member => node.type === "MemberExpression";
const isFilter = (node: Node): node is Filter => node.type === "FilterExpression";
const isFilterBlock = (node: Node): node is FilterBlock => node.type === "FilterStatement";

/** The name that an identifier spells. */
const nameOf = (node: Node): string => String((node as Node & { value?: unknown }).value);
