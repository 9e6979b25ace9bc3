"""Compares two folders of fixtures, tensor by tensor: compare-fixtures.py MADE COMMITTED"""

import sys
from pathlib import Path

from safetensors.torch import load_file

TOLERANCE = 1e-5


def main():
    made, committed = map(Path, sys.argv[1:])
    files = sorted(path.relative_to(committed) for path in committed.rglob("*.safetensors"))
    assert files, f"{committed}: no fixtures"
    for file in files:
        expected, tensors = load_file(committed / file), load_file(made / file)
        assert expected.keys() == tensors.keys(), f"{file}: other tensors"
        worst = max((tensors[name].double() - expected[name].double()).abs().max().item() for name in expected)
        print(f"{file}: differs by {worst:.1e}")
        assert worst < TOLERANCE, f"{file}: more than {TOLERANCE}"


if __name__ == "__main__":
    main()
