# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.13.0", "numpy>=2"]
# ///
"""PyTorch as a peer: eager, compiled, float32 and bfloat16 autocast. Shares no code with flaxdigits.

Settings from PyTorch's performance tuning guide for a CPU: the fused optimizer, gradients set to None,
torch.compile, and bfloat16 by autocast (https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html).
"""

import itertools
import json
import sys

import numpy as np
import torch
from protocol import serve
from torch import nn
from torch.nn import functional

REFERENCE = (784, 3000, 2000, 1000, 500, 250, 64, 10)
PREDICTOR = (784, 1152, 1152, 320, 10)


def dense(widths):
    layers = [module for i, o in itertools.pairwise(widths) for module in (nn.Linear(i, o), nn.ReLU())][:-1]
    for layer in layers[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def throughput(data, batch, precision, mode):
    """Trains the reference network, on batches cut from the training digits."""
    model = dense(REFERENCE)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    forward = torch.compile(model) if mode == "compile" else model
    images = torch.from_numpy(data["train_images"][: 4 * batch].reshape(-1, 784) / np.float32(255))
    labels = torch.from_numpy(data["train_labels"][: 4 * batch].astype(np.int64))

    def steps(count):
        for step in range(count):
            rows = slice(step % 4 * batch, (step % 4 + 1) * batch)
            adam.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                loss = functional.cross_entropy(forward(images[rows]), labels[rows])
            loss.backward()
            adam.step()

    serve(steps, "first_step_seconds", "images_per_second", batch)


def ceiling(precision):
    """Multiplies square matrices of 2,048."""
    a, b = (torch.rand(2048, 2048, dtype=getattr(torch, precision)) for _ in range(2))

    def products(count):
        for _ in range(count):
            a @ b

    serve(products, "first_call_seconds", "gflops", 2 * 2048**3 / 1e9)


def predict(data, batch, precision, threads):
    """Predicts uint8 digits, as probabilities in a NumPy array."""
    torch.set_num_threads(threads)
    model = dense(PREDICTOR).eval()
    images = np.resize(data["train_images"], (batch, 28, 28))

    def calls(count):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            for _ in range(count):
                pixels = torch.from_numpy(images).reshape(-1, 784).float() / 255
                model(pixels).float().softmax(dim=1).numpy()

    serve(calls, "first_call_seconds", "digits_per_second", batch)


class Net(nn.Module):
    """The network of PyTorch's own MNIST example (pytorch/examples, mnist/main.py)."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, 1), nn.Conv2d(32, 64, 3, 1)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x):
        """Returns the logarithms of the probabilities."""
        x = functional.max_pool2d(functional.relu(self.conv2(functional.relu(self.conv1(x)))), 2)
        x = functional.relu(self.fc1(torch.flatten(self.dropout1(x), 1)))
        return functional.log_softmax(self.fc2(self.dropout2(x)), dim=1)


def documentation(data):
    """Trains with the recipe of PyTorch's own MNIST example: Adadelta, batches of 64, 14 epochs."""
    images, held = (normalised(data[name]) for name in ("train_images", "held_images"))
    labels, truth = (torch.from_numpy(data[name].astype(np.int64)) for name in ("train_labels", "held_labels"))
    model = Net()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(14):
        model.train()
        for rows in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            functional.nll_loss(model(images[rows]), labels[rows]).backward()
            optimizer.step()
        schedule.step()
        report(model, held, truth, (epoch + 1) * len(images))


def normalised(images):
    return torch.from_numpy((images[:, None] / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081))


@torch.no_grad()
def report(model, held, truth, seen):
    model.eval()
    right = sum(
        (model(x).argmax(dim=1) == y).sum().item() for x, y in zip(held.split(1000), truth.split(1000), strict=False)
    )
    print(json.dumps({"images": seen, "accuracy": right / len(held)}), flush=True)


def main():
    path, task = sys.argv[1:3]
    options = dict(word.split("=") for word in sys.argv[3:])
    data = np.load(path)
    batch, precision = int(options.get("batch", 512)), options.get("precision", "float32")
    if task == "throughput":
        throughput(data, batch, precision, options.get("mode", "eager"))
    elif task == "ceiling":
        ceiling(precision)
    elif task == "predict":
        predict(data, batch, precision, int(options["threads"]))
    elif (task, options.get("recipe")) == ("accuracy", "documentation"):
        documentation(data)
    else:
        sys.exit(f"pytorch.py: no task {task!r} with {options}")


if __name__ == "__main__":
    main()
