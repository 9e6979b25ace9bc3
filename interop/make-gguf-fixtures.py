"""Writes test/fixtures/gguf/: a GGUF file with a tensor of every type that is read, and the numbers it stands for.

    interop/.venv/bin/python interop/make-gguf-fixtures.py

The blocks are random bytes with sane scales, so that every bit of a layout counts; the numbers are those of ggml, by
its own Python package `gguf`.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.constants import GGML_QUANT_SIZES
from safetensors.numpy import save_file

FOLDER = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "gguf"
SHAPE = (2, 512)

# Where the half-precision scales lie in a block, in bytes.
SCALES = {
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q5_1: [0, 2],
    Type.Q8_0: [0],
    Type.Q2_K: [80, 82],
    Type.Q3_K: [108],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
}


def random_blocks(kind, generator):
    """Rows of random blocks, as bytes."""
    block, size = GGML_QUANT_SIZES[kind]
    rows, columns = SHAPE
    blocks = generator.integers(0, 256, (rows, columns // block, size), dtype=np.uint8)
    for place in SCALES[kind]:
        scales = generator.normal(0, 0.1, blocks.shape[:2]).astype("<f2")
        blocks[:, :, place : place + 2] = scales[..., None].view(np.uint8)
    return blocks.reshape(rows, -1)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    writer = gguf.GGUFWriter(FOLDER / "types.gguf", "llama")
    writer.add_name("every type")
    writer.add_uint64("test.u64", 2**63 + 1)
    writer.add_int32("test.i32", -7)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_array("test.strings", ["", "\ufeff", "é日🙂"])
    writer.add_array("test.floats", [0.5, -1.25])
    writer.add_array("test.ints", [1, -2, 3])

    expected = {}
    values = generator.normal(0, 1, SHAPE).astype(np.float32)
    for kind in (Type.F32, Type.F16, Type.BF16):
        data = gguf.quants.quantize(values, kind)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        expected[kind.name] = gguf.quants.dequantize(data, kind).astype(np.float32)
    for kind in SCALES:
        data = random_blocks(kind, generator)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        expected[kind.name] = gguf.quants.dequantize(data, kind)
        assert np.isfinite(expected[kind.name]).all()

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, FOLDER / "types.safetensors")
    sizes = {path.name: path.stat().st_size for path in sorted(FOLDER.iterdir())}
    assert sum(sizes.values()) < 100_000, sizes
    print(sizes)


if __name__ == "__main__":
    main()
