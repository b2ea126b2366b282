# Recipes for daily use. `just` alone lists them; each one installs what it needs first.

set positional-arguments

bin := justfile_directory() / if os_family() == "windows" { ".venv/Scripts" } else { ".venv/bin" }

# List the recipes
default:
    @just --list

# `.venv` keeps its Python, unless UV_PYTHON names one
python := bin / if os_family() == "windows" { "python.exe" } else { "python" }
make_venv := if env("UV_PYTHON", "") + path_exists(python) == "true" { "" } else { "uv venv --quiet --allow-existing .venv" }

# Make .venv with the pinned, hash-checked packages and this project in it; quick when nothing changed
setup:
    @{{make_venv}}
    @uv pip install --quiet --python {{bin}}/python --require-hashes --requirement requirements.txt
    @uv pip install --quiet --python {{bin}}/python --no-deps --no-build-isolation --editable .

# Train on the embedded MNIST (or: just train train.csv --epochs 20), export, and evaluate
[no-cd]
[no-exit-message]
train *args: setup
    @{{bin}}/flaxdigits train "$@" --evaluate

# Evaluate a run or an .onnx file (default: runs/latest on MNIST's 10,000 test digits)
[no-cd]
[no-exit-message]
eval *args: setup
    @{{bin}}/flaxdigits eval "$@"

# Export a run as an ONNX file (default: runs/latest)
[no-cd]
[no-exit-message]
export *args: setup
    @{{bin}}/flaxdigits export "$@"

# Read digits from pictures, a CSV or an .npz
[no-cd]
[no-exit-message]
predict *args: setup
    @{{bin}}/flaxdigits predict "$@"

# Sort the digits of pictures into folders 0 to 9, to be corrected and trained on (just label photos/ --out my-digits)
[no-cd]
[no-exit-message]
label *args: setup
    @{{bin}}/flaxdigits label "$@"

# Show what was made of a picture, and why
[no-cd]
[no-exit-message]
explain *args: setup
    @{{bin}}/flaxdigits explain "$@"

# Write Kaggle's submission file (just submit test.csv), and with --upload hand it in
[no-cd]
[no-exit-message]
submit *args: setup
    @{{bin}}/flaxdigits submit "$@"

# Describe an .onnx file, and list how it breaks the contract (default: the shipped model)
[no-cd]
[no-exit-message]
inspect *args: setup
    @{{bin}}/flaxdigits inspect "$@"

# Check that a model reproduces its golden vectors here (default: the shipped model)
[no-cd]
[no-exit-message]
verify *args: setup
    @{{bin}}/flaxdigits verify "$@"

# List versions and devices, and how to install missing parts
[no-cd]
[no-exit-message]
doctor *args: setup
    @{{bin}}/flaxdigits doctor "$@"

port := "8000"
host := "127.0.0.1"

# Build the page and serve it on http://127.0.0.1:8000 (own model: just web MODEL.onnx GOLDEN_FOLDER; on a phone in the same network: just host=0.0.0.0 web); needs Node.js
[no-exit-message]
web *args:
    @python3 scripts/serve.py --check {{port}}
    @npm --prefix exports/web ci --ignore-scripts --no-audit --no-fund --silent
    @node exports/web/build.mjs "$@"
    @exec python3 scripts/serve.py {{host}} {{port}}

# Make the shipped models by exports/*.toml; resumes the trainings in runs/record (move them away after changing a recipe)
ship: (_train "seed0" "digits") (_train "tiny0" "digits-tiny")
    @{{bin}}/flaxdigits export runs/record/seed0 --out exports/digits.onnx --golden exports/golden
    @{{bin}}/flaxdigits export runs/record/tiny0 --out exports/digits-tiny.onnx --golden exports/golden-tiny --precision int8
    @{{bin}}/python -m scripts.golden_pictures # the golden pages are read by digits.onnx

_train run recipe: setup
    @if [ -f runs/record/{{run}}/config.toml ]; then {{bin}}/flaxdigits train --resume runs/record/{{run}}; \
        else {{bin}}/flaxdigits train --config exports/{{recipe}}.toml --out runs/record/{{run}}; fi

# Run the tests (or some: just test tests/data)
test *args: setup
    @{{bin}}/python -m pytest "$@"

# Run the quick tests, in about a minute: not those of the web page and of other runtimes, nor the slow ones
test-fast *args: setup
    @{{bin}}/python -m pytest -m "not slow" --ignore tests/web "$@"

# Give every reader damaged and hostile files (or one: just fuzz csv --inputs 5000 --seed 1); inputs with a defect are kept
[no-exit-message]
fuzz *args: setup
    @PYTHONPATH=tests {{bin}}/python -m fuzzing "$@"

# Check format, lint and types; runs all three, whatever fails
lint: setup
    #!/usr/bin/env sh
    failed=0
    {{bin}}/ruff format --check . || failed=1
    {{bin}}/ruff check . || failed=1
    {{bin}}/mypy || failed=1
    exit $failed

# Fix lint and format where that can be done automatically
fix: setup
    @{{bin}}/ruff check --fix --exit-zero .
    @{{bin}}/ruff format .

# Run a benchmark, the quick ones by default (just bench peers --quick; an unknown name lists them)
bench *args: setup
    @{{bin}}/python -m benchmarks "$@"

# Build the wheel and the source archive into dist/
build: setup
    @uv build --quiet --no-build-isolation --python {{bin}}/python --clear

# Lock all packages to their newest versions, for Python 3.11 to 3.14 on all platforms
lock:
    @uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --no-emit-index-url \
        --extra train --extra pages --extra heic --extra kaggle --extra ray --group dev --custom-compile-command "just lock" \
        --output-file requirements.txt pyproject.toml

# Inject faults into trainings (signals, disks, damage), and compare what they end with; an hour (just faults --count 2)
faults *args: setup
    @PYTHONPATH=tests {{bin}}/python -m faults "$@"
