# The daily acts. `just` alone lists them; every one sets up what it needs first.

set positional-arguments

bin := if os_family() == "windows" { ".venv/Scripts" } else { ".venv/bin" }

# List the recipes
default:
    @just --list

# Make .venv with the pinned, hash-checked packages and this project in it; quick when nothing changed
setup:
    @uv venv --quiet --allow-existing .venv
    @uv pip install --quiet --python {{bin}}/python --require-hashes --requirement requirements.txt
    @uv pip install --quiet --python {{bin}}/python --no-deps --no-build-isolation --editable .

# Train on the embedded MNIST (or: just train train.csv --epochs 20), export, and evaluate on the test digits
train *args: setup
    @{{bin}}/flaxdigits train "$@"
    @{{bin}}/flaxdigits eval

# Evaluate a run or an .onnx file (default: runs/latest on MNIST's 10,000 test digits)
eval *args: setup
    @{{bin}}/flaxdigits eval "$@"

# Write a run's model as an ONNX file (default: runs/latest)
export *args: setup
    @{{bin}}/flaxdigits export "$@"

# Read digits from pictures, a CSV or an .npz
predict *args: setup
    @{{bin}}/flaxdigits predict "$@"

# Write Kaggle's submission file (just submit test.csv), and with --upload hand it in
submit *args: setup
    @{{bin}}/flaxdigits submit "$@"

# Say what an .onnx file is, and in what it breaks the contract (default: the shipped model)
inspect *args: setup
    @{{bin}}/flaxdigits inspect "$@"

# Show that a model answers here as it did at home (default: the shipped model)
verify *args: setup
    @{{bin}}/flaxdigits verify "$@"

port := "8000"

# Build the page and serve it on http://127.0.0.1:8000 (own model: just web MODEL.onnx GOLDEN_FOLDER); needs Node.js
web *args:
    @python3 -c "import socket, sys; sys.exit(not socket.socket().connect_ex(('127.0.0.1', {{port}})) and \
        'port {{port}} is taken; choose another: just port=8001 web')"
    @npm --prefix exports/web ci --ignore-scripts --no-audit --no-fund --silent
    @node exports/web/build.mjs "$@"
    @python3 -m http.server --bind 127.0.0.1 --directory exports/web/dist {{port}}

# Make the shipped models by exports/*.toml; goes on with what is in runs/record (move it away where a recipe changed)
ship: (_train "seed0" "digits-teacher" "0") (_train "seed1" "digits-teacher" "1") (_train "seed2" "digits-teacher" "2") \
      (_train "taught0" "digits" "0") (_train "tiny0" "digits-tiny" "0")
    @{{bin}}/flaxdigits export runs/record/taught0 --out exports/digits.onnx --golden exports/golden
    @{{bin}}/flaxdigits export runs/record/tiny0 --out exports/digits-tiny.onnx --golden exports/golden-tiny --precision int8

_train run recipe seed: setup
    @if [ -d runs/record/{{run}} ]; then {{bin}}/flaxdigits train --resume runs/record/{{run}}; \
        else {{bin}}/flaxdigits train --config exports/{{recipe}}.toml --seed {{seed}} --out runs/record/{{run}}; fi

# Say which versions and devices are here, and what is missing
doctor *args: setup
    @{{bin}}/flaxdigits doctor "$@"

# Run the tests (or some: just test tests/test_data.py)
test *args: setup
    @{{bin}}/python -m pytest "$@"

# Check format, lint and types
lint: setup
    @{{bin}}/ruff format --check .
    @{{bin}}/ruff check .
    @{{bin}}/mypy

# Mend format and lint where that can be done by itself
fix: setup
    @{{bin}}/ruff format .
    @{{bin}}/ruff check --fix .

# Measure what is claimed: what takes little time, or one (just bench training; an unknown name lists them)
bench name="quick": setup
    @{{bin}}/python -m benchmarks {{name}}

# Build the wheel and the source archive into dist/
build: setup
    @uv build --quiet --no-build-isolation --python {{bin}}/python --clear

# Pin every package anew, for Python 3.11 to 3.14 on all platforms
lock:
    @uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --no-emit-index-url \
        --extra train --extra kaggle --group dev --custom-compile-command "just lock" \
        --output-file requirements.txt pyproject.toml
