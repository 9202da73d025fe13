"""dsprof layer: one layer and the whole model, added up from a profile's points."""

import json
from collections.abc import Mapping
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsprof.harness.commands.options import layer_options
from dsprof.harness.errors import UsageError
from dsprof.harness.records import Cache, Call, LayerPath, Phase

if TYPE_CHECKING:
    from dsprof.analysis.layer import LayerTimes
    from dsprof.harness.profile import Profile
    from dsprof.kernels.parallel import Division


@click.command(name="layer")
@click.argument("profile", type=click.Path(path_type=Path), required=False)
@layer_options
@click.option(
    "--tp",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="GPUs that share heads and MLP widths.",
)
@click.option(
    "--ep",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="GPUs that share the experts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def command(profile: Path | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401, FBT001 -- click's options
    """Add up one layer, and the whole model, from the points of PROFILE.

    Without PROFILE, of the H200 profile that comes with dsprof. Each step takes one
    of its alternatives; what has no time is named, and the sum is a lower bound.
    Times are measured on one GPU. With --tp or --ep there is a column of roof times
    of one GPU's part, which are analytic: nothing was measured at those shapes.

    \b
    dsprof layer
    dsprof layer --path as-listed --batch-size 128
    dsprof layer --phase prefill --seq-len 2048
    dsprof layer --batch-size 128 --kv-len 4096 --tp 8 --ep 8 --json
    """
    from dsprof.analysis.layer import layer_times, path_of
    from dsprof.harness.commands.recorded_size import recorded_kv_len, recorded_size
    from dsprof.harness.store import find_bundled_profile, load_profile
    from dsprof.kernels.parallel import Division

    division = Division(tp=options["tp"], ep=options["ep"])
    loaded = load_profile(find_bundled_profile() if profile is None else profile)
    size = recorded_size(
        loaded, Phase(options["phase"]), options["batch_size"], options["seq_len"]
    )
    layer = layer_times(
        loaded,
        size,
        LayerPath(options["path"]) if options["path"] else path_of(loaded),
        recorded_kv_len(loaded, size, options["kv_len"]),
    )
    if not layer.filled:
        raise UsageError(
            f"This profile lists no {layer.path} slot of {size.phase}. Choose another "
            "--path, or record a new profile."
        )
    divided_us = None if division.is_whole else _divided_us(loaded, layer, division)
    if as_json:
        click.echo(json.dumps(_plain(layer, division, divided_us), indent=1))
    else:
        _print(loaded, layer, division, divided_us)


def _divided_us(
    profile: "Profile", layer: "LayerTimes", division: "Division"
) -> dict[Call, float]:
    """Roof time of one GPU's part of each call that has a kernel file."""
    from dsprof.harness.analytic import analytic_rows

    calls = [entry.call for entry in layer.filled]
    rows = analytic_rows(
        calls, layer.size.sized(layer.kv_len), profile.device, division
    )
    return {call: row.roof_time_us for call, row in rows.items()}


def _print(
    profile: "Profile",
    layer: "LayerTimes",
    division: "Division",
    divided_us: Mapping[Call, float] | None,
) -> None:
    from dsprof.analysis.report.layer_tables import layer_table
    from dsprof.harness.commands.printed_table import print_table

    kv = "" if layer.kv_len is None else f", kv_len {layer.kv_len}"
    print_table(
        f"{profile.device.name}, {layer.path}, {layer.size.title}{kv}",
        layer_table(layer, divided_us),
    )
    for line in _totals(layer, division, divided_us):
        click.echo(line)


def _totals(
    layer: "LayerTimes",
    division: "Division",
    divided_us: Mapping[Call, float] | None,
) -> list[str]:
    from dsprof.analysis.layer import Part
    from dsprof.analysis.numerals import plural
    from dsprof.analysis.report.layer_tables import part_time, throughput

    lines = []
    for part in Part:
        times = [
            f"{cache} {part_time(layer.parts[cache][part])} us"
            for cache in Cache
            if part in layer.parts[cache]
        ]
        if times:
            lines.append(f"{part[0].upper()}{part[1:]}: {', '.join(times)}.")
    if Part.MODEL in layer.parts[Cache.WARM]:
        rates = ", ".join(
            f"{cache} {throughput(layer, cache)} tokens/s" for cache in Cache
        )
        lines.append(f"Throughput at {plural(layer.tokens, 'token')} a pass: {rates}.")
    else:
        lines.append("Whole model: the profile does not say how many layers it has.")
    if missing := _missing(layer):
        lines.append(f"≥ is a lower bound. Without a time: {', '.join(missing)}.")
    if divided_us is not None:
        lines.append(_divided_line(layer, division, divided_us))
    return lines


def _missing(layer: "LayerTimes") -> list[str]:
    names: dict[str, None] = {}
    for parts in layer.parts[Cache.WARM], layer.parts[Cache.COLD]:
        for time in parts.values():
            names |= dict.fromkeys(time.missing)
    return list(names)


def _divided_line(
    layer: "LayerTimes", division: "Division", divided_us: Mapping[Call, float]
) -> str:
    """The roof times of one GPU's part of an MoE layer, added up."""
    from dsprof.analysis.layer import ONE_LAYER, Part
    from dsprof.analysis.numerals import plural, significant

    weights = ONE_LAYER[Part.MOE]
    calls = {(entry.slot, entry.call) for entry in layer.filled}
    times_us = [
        slot.count * divided_us.get(call, nan)
        for slot, call in calls
        if slot.layer in weights
    ]
    known = [time_us for time_us in times_us if not isnan(time_us)]
    lacking = len(times_us) - len(known)
    rest = f" without {plural(lacking, 'call')} of unknown work" if lacking else ""
    return (
        f"One part of tp={division.tp} ep={division.ep}, MoE layer: roof time "
        f"{significant(sum(known))} us{rest}. It is analytic, without communication, "
        "and nothing was measured at these shapes."
    )


def _plain(
    layer: "LayerTimes",
    division: "Division",
    divided_us: Mapping[Call, float] | None,
) -> dict[str, Any]:
    """The layer as JSON values; a time or roof that is not known is null."""

    def known(value: float | None) -> float | None:
        return None if value is None or isnan(value) else value

    return {
        "path": layer.path,
        "size": layer.size.title,
        "kv_len": layer.kv_len,
        "tp": division.tp,
        "ep": division.ep,
        "calls": [
            {
                "step": entry.slot.step,
                "layers": entry.slot.layer,
                "count": entry.slot.count,
                "kernel": entry.call.kernel,
                "op": entry.call.op,
                "stands_in": entry.stands_in,
                **{f"{cache}_us": entry.time_us(cache) for cache in Cache},
                "roof_us": known(
                    entry.measurement.roof_time_us if entry.measurement else None
                ),
                "divided_roof_us": known((divided_us or {}).get(entry.call)),
                "missing": entry.missing,
            }
            for entry in layer.filled
        ],
        "sums": {
            cache: {
                part: {"total_us": time.total_us, "missing": time.missing}
                for part, time in parts.items()
            }
            for cache, parts in layer.parts.items()
        },
        "tokens_per_s": {cache: known(layer.tokens_per_s(cache)) for cache in Cache},
    }
