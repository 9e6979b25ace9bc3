import { elementType } from "../onnx-proto.js";
import { broadcastShape, call, defineOp, sameDType, shapeError } from "../op.js";
import { type DType, isFloat } from "../tensor.js";
import { type Op, scalar, Value } from "../value.js";

/** A value, or a number that becomes a constant of the other operand's dtype. */
export type Operand = Value | number;

const toValue = (x: Operand, like: Operand): Value =>
  x instanceof Value ? x : scalar(x, like instanceof Value ? like.dtype : "f32");

const binary = (name: string, onnx: string, grad: Op["grad"]): Op =>
  defineOp({
    name,
    axes: "none",
    infer: (inputs) => ({ dtype: sameDType(name, inputs), shape: broadcastShape(name, inputs) }),
    onnx,
    grad,
  });

const unary = (name: string, onnx: string, grad: (g: Value, x: Value, y: Value) => Value): Op =>
  defineOp({
    name,
    axes: "none",
    infer: ([x]) => x!,
    onnx,
    grad: ({ grads, inputs, outputs }) => [grad(grads[0]!, inputs[0]!, outputs[0]!)],
  });

const comparison = (name: string, onnx: string): Op =>
  defineOp({
    name,
    axes: "none",
    infer: (inputs) => {
      sameDType(name, inputs);
      return { dtype: "bool", shape: broadcastShape(name, inputs) };
    },
    onnx,
    grad: "none",
  });

export const addOp: Op = binary("add", "Add", ({ grads: [g] }) => [g, g]);
export const subOp: Op = binary("sub", "Sub", ({ grads: [g], needs }) => [g, needs[1] ? neg(g!) : undefined]);
export const mulOp: Op = binary("mul", "Mul", ({ grads: [g], inputs: [a, b], needs }) => [
  needs[0] ? mul(g!, b!) : undefined,
  needs[1] ? mul(g!, a!) : undefined,
]);
export const divOp: Op = binary("div", "Div", ({ grads: [g], inputs: [, b], outputs: [y], needs }) => [
  needs[0] ? div(g!, b!) : undefined,
  needs[1] ? neg(div(mul(g!, y!), b!)) : undefined,
]);
export const negOp: Op = unary("neg", "Neg", (g) => neg(g));
export const expOp: Op = unary("exp", "Exp", (g, _, y) => mul(g, y));
export const logOp: Op = unary("log", "Log", (g, x) => div(g, x));
export const sqrtOp: Op = unary("sqrt", "Sqrt", (g, _, y) => div(mul(g, 0.5), y));
export const sigmoidOp: Op = unary("sigmoid", "Sigmoid", (g, _, y) => mul(g, mul(y, sub(1, y))));
export const tanhOp: Op = unary("tanh", "Tanh", (g, _, y) => mul(g, sub(1, mul(y, y))));
export const erfOp: Op = unary("erf", "Erf", (g, x) =>
  mul(mul(g, 2 / Math.sqrt(Math.PI)), exp(neg(mul(x, x)))),
);

export const cosOp: Op = unary("cos", "Cos", (g, x) => neg(mul(g, sin(x))));
export const sinOp: Op = unary("sin", "Sin", (g, x) => mul(g, cos(x)));

/** One of two operands: the gradient goes to the one that was chosen. */
const choice = (name: string, onnx: string, isFirst: (a: Value, b: Value) => Value): Op =>
  binary(name, onnx, ({ grads: [g], inputs: [a, b], needs }) => {
    const first = isFirst(a!, b!);
    return [
      needs[0] ? where(first, g!, scalar(0, g!.dtype)) : undefined,
      needs[1] ? where(first, scalar(0, g!.dtype), g!) : undefined,
    ];
  });

export const maximumOp: Op = choice("maximum", "Max", (a, b) => greaterEqual(a, b));
export const minimumOp: Op = choice("minimum", "Min", (a, b) => greaterEqual(b, a));

export const lessOp: Op = comparison("less", "Less");
export const greaterEqualOp: Op = comparison("greaterEqual", "GreaterOrEqual");
export const equalOp: Op = comparison("equal", "Equal");

export const logicalAndOp: Op = defineOp({
  name: "logicalAnd",
  axes: "none",
  infer(inputs) {
    if (inputs.some((t) => t.dtype !== "bool")) throw shapeError("logicalAnd", inputs, "bool");
    return { dtype: "bool", shape: broadcastShape("logicalAnd", inputs) };
  },
  onnx: "And",
  grad: "none",
});

export const modOp: Op = defineOp({
  name: "mod",
  axes: "none",
  infer: (inputs) => ({ dtype: sameDType("mod", inputs), shape: broadcastShape("mod", inputs) }),
  onnx: "Mod",
  grad: "none",
});

export const whereOp: Op = defineOp({
  name: "where",
  axes: "none",
  infer(inputs) {
    const [condition, ...branches] = inputs;
    if (condition!.dtype !== "bool") throw shapeError("where", inputs, "a bool condition first");
    return { dtype: sameDType("where", branches), shape: broadcastShape("where", inputs) };
  },
  onnx: "Where",
  grad: ({ grads: [g], inputs: [condition], needs }) => [
    undefined,
    needs[1] ? where(condition!, g!, scalar(0, g!.dtype)) : undefined,
    needs[2] ? where(condition!, scalar(0, g!.dtype), g!) : undefined,
  ],
});

export const castOp: Op = defineOp<{ to: DType }>({
  name: "cast",
  axes: "none",
  infer: ([x], { to }) => ({ dtype: to, shape: x!.shape }),
  onnx: (e, inputs, outputs, { to }) => e.node("Cast", inputs, outputs, { to: elementType[to] }),
  grad: ({ grads: [g], inputs: [x] }) => [
    isFloat(x!.dtype) && isFloat(g!.dtype) ? cast(g!, x!.dtype) : undefined,
  ],
});

/** a + b, broadcasting. */
export const add = (a: Operand, b: Operand): Value => call(addOp, [toValue(a, b), toValue(b, a)]);
/** a - b, broadcasting. */
export const sub = (a: Operand, b: Operand): Value => call(subOp, [toValue(a, b), toValue(b, a)]);
/** a * b elementwise, broadcasting. */
export const mul = (a: Operand, b: Operand): Value => call(mulOp, [toValue(a, b), toValue(b, a)]);
/** a / b elementwise, broadcasting; integers divide towards zero. */
export const div = (a: Operand, b: Operand): Value => call(divOp, [toValue(a, b), toValue(b, a)]);
/** -x. */
export const neg = (x: Value): Value => call(negOp, [x]);
/** e^x. */
export const exp = (x: Value): Value => call(expOp, [x]);
/** Natural logarithm. */
export const log = (x: Value): Value => call(logOp, [x]);
/** Square root. */
export const sqrt = (x: Value): Value => call(sqrtOp, [x]);
/** 1 / (1 + e^-x). */
export const sigmoid = (x: Value): Value => call(sigmoidOp, [x]);
/** Hyperbolic tangent. */
export const tanh = (x: Value): Value => call(tanhOp, [x]);
/** The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export const erf = (x: Value): Value => call(erfOp, [x]);
/** Cosine of radians. */
export const cos = (x: Value): Value => call(cosOp, [x]);
/** Sine of radians. */
export const sin = (x: Value): Value => call(sinOp, [x]);
/** The larger of two, elementwise; at a tie the gradient goes to `a`. */
export const maximum = (a: Operand, b: Operand): Value => call(maximumOp, [toValue(a, b), toValue(b, a)]);
/** The smaller of two, elementwise; at a tie the gradient goes to `a`. */
export const minimum = (a: Operand, b: Operand): Value => call(minimumOp, [toValue(a, b), toValue(b, a)]);
/** a < b. */
export const less = (a: Operand, b: Operand): Value => call(lessOp, [toValue(a, b), toValue(b, a)]);
/** a >= b. */
export const greaterEqual = (a: Operand, b: Operand): Value =>
  call(greaterEqualOp, [toValue(a, b), toValue(b, a)]);
/** a == b. */
export const equal = (a: Operand, b: Operand): Value => call(equalOp, [toValue(a, b), toValue(b, a)]);
/** Both are true. */
export const logicalAnd = (a: Value, b: Value): Value => call(logicalAndOp, [a, b]);
/** Remainder of integers, with the sign of `b`. */
export const mod = (a: Operand, b: Operand): Value => call(modOp, [toValue(a, b), toValue(b, a)]);
/** `a` where the condition holds, else `b`; broadcasting. */
export const where = (condition: Value, a: Operand, b: Operand): Value =>
  call(whereOp, [condition, toValue(a, b), toValue(b, a)]);
/** Another dtype; to an integer it truncates, to bool it is `x != 0`. */
export const cast = (x: Value, to: DType): Value => (x.dtype === to ? x : call(castOp, [x], { to }));
