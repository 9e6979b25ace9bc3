"""
Compares two folders of fixtures, tensor by tensor: compare-fixtures.py MADE COMMITTED

Another processor adds in another order, so what may differ grows with the numbers: TOLERANCE is a share of a tensor's largest, which
counts as 1 where it is less.
"""

import sys
from pathlib import Path

from safetensors.torch import load_file

TOLERANCE = 1e-5


def difference(made, expected):
    return ((made - expected).abs().max() / expected.abs().max().clamp(min=1)).item()


def main():
    made, committed = map(Path, sys.argv[1:])
    files = sorted(path.relative_to(committed) for path in committed.rglob("*.safetensors"))
    assert files, f"{committed}: no fixtures"
    for file in files:
        expected, tensors = load_file(committed / file), load_file(made / file)
        assert expected.keys() == tensors.keys(), f"{file}: other tensors"
        worst = max(difference(tensors[name].double(), expected[name].double()) for name in expected)
        print(f"{file}: differs by {worst:.1e}")
        assert worst < TOLERANCE, f"{file}: more than {TOLERANCE}"


if __name__ == "__main__":
    main()
