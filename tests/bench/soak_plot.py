"""Plots of a soak as PNG. Needs matplotlib, the extra `plots`; nothing else in this repository does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.soak_sample import Sample

DPI = 80
SIZE_INCH = (9.0, 3.2)


def plot(samples: list[Sample], windows: list[dict[str, Any]], place: Path) -> list[Path]:
    """Writes `place`-memory.png, -latency.png, -queues.png and -files.png; gives their paths."""
    import matplotlib as mpl

    mpl.use("Agg")
    at_min = [sample["at_s"] / 60 for sample in samples]
    names = sorted({name for sample in samples for name in sample["processes"]})

    def of(name: str, key: str, scale: float) -> list[float]:
        found = (sample["processes"].get(name) or {} for sample in samples)
        return [one.get(key, float("nan")) / scale for one in found]

    memory = {name: of(name, "anonymous_kib", 1024) for name in names}
    window_min = [window["at_s"] / 60 for window in windows]
    latency = {key: [window[key] for window in windows] for key in ("p50", "p90", "p99")}
    queues = {
        key: [sample["queues"][key] for sample in samples]
        for key in ("outbox", "held", "route_rows", "audit_lag")
    }
    files = {key: [s["bytes"][key] / 1024 / 1024 for s in samples] for key in ("journal", "audit", "routes")}
    fds = {name: of(name, "fds", 1) for name in names}
    place.parent.mkdir(parents=True, exist_ok=True)
    return [
        _draw(place, "memory", "MiB that a process wrote", at_min, memory),
        _draw(place, "latency", "ms, leader's report to order", window_min, latency),
        _draw(place, "queues", "rows, frames, orders", at_min, queues),
        _draw(place, "files", "MiB on the disk", at_min, files),
        _draw(place, "descriptors", "descriptors", at_min, fds),
    ]


def _draw(place: Path, what: str, unit: str, x: list[float], lines: dict[str, list[float]]) -> Path:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=SIZE_INCH, dpi=DPI)
    for name, values in lines.items():
        axes.plot(x, values, label=name, linewidth=1)
    axes.set_xlabel("minutes")
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    path = place.with_name(f"{place.name.removesuffix('.png')}-{what}.png")
    figure.savefig(path)
    pyplot.close(figure)
    return path
