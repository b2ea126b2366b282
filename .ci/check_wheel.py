"""Checks that a wheel holds flaxdigits and flaxdigits_cli at its top, the embedded data, and nothing else."""

import sys
import zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
if top != {"flaxdigits", "flaxdigits_cli"}:
    sys.exit(f"{sys.argv[1]}: expected flaxdigits and flaxdigits_cli at its top, got {sorted(top)}")
if "flaxdigits/mnist.npz" not in names:
    sys.exit(f"{sys.argv[1]}: the embedded data set is not in it")
print(f"{sys.argv[1]}: {len(names)} files, {', '.join(sorted(top))} at its top")
