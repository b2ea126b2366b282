"""Checks that a wheel holds flaxdigits and flaxdigits_cli at its top, the embedded data and model, and nothing else."""

import sys
import zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
if top != {"flaxdigits", "flaxdigits_cli"}:
    sys.exit(f"{sys.argv[1]}: expected flaxdigits and flaxdigits_cli at its top, got {sorted(top)}")
for file in ("data/mnist.npz", "exports/digits.onnx", "exports/golden/golden.json"):
    if f"flaxdigits/{file}" not in names:
        sys.exit(f"{sys.argv[1]}: {file} is not in it")
print(f"{sys.argv[1]}: {len(names)} files, {', '.join(sorted(top))} at its top")
