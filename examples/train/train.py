#!/usr/bin/env python3
"""Trains a small neural network to tell two spirals apart, in Python without packages.

Takes about ten seconds, prints a line per epoch, and writes output/result.json and output/loss.svg.
"""

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import time


def spirals(count, noise, rng):
    """Points of two spirals around each other: ((x, y), 0 or 1)."""
    points = []
    for index in range(count):
        label = index % 2
        turn = rng.random()
        angle = 3 * math.pi * turn + math.pi * label
        radius = 0.2 + 1.8 * turn
        point = (radius * math.cos(angle) + rng.gauss(0, noise), radius * math.sin(angle) + rng.gauss(0, noise))
        points.append((point, label))
    return points


class Network:
    """Two inputs, one hidden layer of tanh, one output between 0 and 1."""

    def __init__(self, hidden, rng):
        self.inner = [[rng.gauss(0, 2), rng.gauss(0, 2), rng.gauss(0, 2)] for _ in range(hidden)]
        self.outer = [rng.gauss(0, 1 / math.sqrt(hidden)) for _ in range(hidden)]
        self.bias = 0.0

    def predict(self, point):
        x, y = point
        hidden = [math.tanh(a * x + b * y + c) for a, b, c in self.inner]
        total = self.bias + sum(w * h for w, h in zip(self.outer, hidden))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, total)))), hidden

    def learn(self, point, label, rate):
        """One step down the gradient of the cross-entropy; returns the loss before the step."""
        x, y = point
        output, hidden = self.predict(point)
        error = output - label
        for index, value in enumerate(hidden):
            slope = error * self.outer[index] * (1 - value * value)
            self.outer[index] -= rate * error * value
            weights = self.inner[index]
            weights[0] -= rate * slope * x
            weights[1] -= rate * slope * y
            weights[2] -= rate * slope
        self.bias -= rate * error
        return -math.log(max(1e-12, output if label else 1 - output))


def accuracy(network, points):
    return sum((network.predict(point)[0] > 0.5) == bool(label) for point, label in points) / len(points)


def draw(losses, path):
    """The losses as a line in an SVG, drawn by hand."""
    width, height, margin = 640, 360, 48
    top = max(losses)

    def place(index, loss):
        x = margin + (width - 2 * margin) * index / max(1, len(losses) - 1)
        return f"{x:.1f},{height - margin - (height - 2 * margin) * loss / top:.1f}"

    line = " ".join(place(index, loss) for index, loss in enumerate(losses))
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">\n'
            f'  <rect width="{width}" height="{height}" fill="white"/>\n'
            f'  <path d="M{margin} {margin}V{height - margin}H{width - margin}" fill="none" stroke="#888"/>\n'
            f'  <polyline points="{line}" fill="none" stroke="#0a6" stroke-width="2"/>\n'
            f'  <text x="{margin}" y="{margin - 12}">loss, from {losses[0]:.3f} to {losses[-1]:.3f}</text>\n'
            f'  <text x="{width - margin}" y="{height - margin + 24}" text-anchor="end">{len(losses)} epochs</text>\n'
            f'</svg>\n'
        )


def gpu_name():
    """What nvidia-smi calls the GPU, or None. The training itself does not use it."""
    if not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    return answer.stdout.strip().splitlines()[0] if answer.returncode == 0 and answer.stdout.strip() else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--points", type=int, default=4000)
    parser.add_argument("--hidden", type=int, default=48)
    parser.add_argument("--rate", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    rng = random.Random(options.seed)
    training = spirals(options.points, 0.1, rng)
    held_back = spirals(1000, 0.1, rng)
    network = Network(options.hidden, rng)
    print(f"job {os.environ.get('VASTD_JOB_ID', '-')}, attempt {os.environ.get('VASTD_ATTEMPT', '-')}", flush=True)
    print(f"GPU: {gpu_name() or 'none'}", flush=True)
    print(f"{options.hidden} hidden units, {options.points} points, {options.epochs} epochs", flush=True)

    started = time.monotonic()
    losses = []
    for epoch in range(1, options.epochs + 1):
        rng.shuffle(training)
        losses.append(sum(network.learn(point, label, options.rate) for point, label in training) / len(training))
        right = accuracy(network, held_back)
        elapsed = time.monotonic() - started
        print(f"epoch {epoch:3}/{options.epochs}  loss {losses[-1]:.4f}  accuracy {right:.3f}  {elapsed:5.1f} s", flush=True)

    os.makedirs("output", exist_ok=True)
    draw(losses, "output/loss.svg")
    with open("output/result.json", "w", encoding="utf-8") as file:
        json.dump(
            {
                "epochs": options.epochs,
                "first_loss": round(losses[0], 6),
                "last_loss": round(losses[-1], 6),
                "accuracy": round(accuracy(network, held_back), 4),
                "seconds": round(time.monotonic() - started, 2),
            },
            file,
            indent=2,
        )
        file.write("\n")
    print("wrote output/result.json and output/loss.svg", flush=True)


if __name__ == "__main__":
    main()
