#!/usr/bin/env bash
# Packs the package, installs it into an empty project, and uses it from there: the command, the library, the types.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package=$(npm pack --silent --pack-destination "$work")
cp .npmrc "$work/"
cd "$work"
npm init --yes > /dev/null
npm install --silent "./$package" typescript@5 @types/node@20
npx tptt --version
cat > use.mts <<'TS'
import { generateModelCard, TpttConfig } from "tptt";
import { compile, mul, Tensor } from "tptt/engine";

const square = await compile(({ x }) => ({ y: mul(x, x) }), { inputs: { x: { dtype: "f32", shape: [2] } } });
const { y } = await square.run({ x: Tensor.f32([2], [3, 4]) });
if (y.f32[1] !== 16) throw new Error(`expected 16, got ${y.f32[1]}`);
if (TpttConfig.from({ operatorMode: "delta_product" }).recurrentConfig.order !== 2) throw new Error("expected order 2");
await square.release();
await generateModelCard("titan", TpttConfig.from({ operatorMode: "delta_rule" }));
TS
npx tsc --strict --module nodenext --target es2022 --skipLibCheck --types node use.mts
node use.mjs
grep -q "^# Titan of gemma-3-270m" titan/README.md
echo "the packed package works"
