"""RGCNConv and FastRGCNConv."""

from .common import F_DST, F_IN, F_OUT, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, spread, width

# The graphs have 12 sources; some have 12 targets.
NODES = 12
IDS = ("ids_edge_index", "ids_adj", "none_edge_index", "none_adj", "pair_ids_edge_index", "pair_ids_adj")


def cases():
    for conv in ("RGCNConv", "FastRGCNConv"):
        base = {"num_relations": 3, "num_bases": 2}
        ids = base | {"in_channels": NODES, "out_channels": F_OUT}
        max_aggr = [("max", {"aggr": "max", "num_bases": None})] if conv == "RGCNConv" else []
        shared = [
            ("full", {"num_bases": None}),
            ("sum", {"aggr": "add"}),
            ("no_root", {"root_weight": False}),
            ("no_bias", {"bias": False}),
            *max_aggr,
        ]
        for variant in VARIANTS:
            channels = width(variant)
            src = channels[0] if isinstance(channels, list) else channels
            blocks = {"num_bases": None, "num_blocks": 2}
            configs = [
                *shared,
                ("blocks", blocks),
                # Wider than the input, so that neighbours are mapped last.
                ("wide", {"out_channels": src + 2}),
                ("wide-sum", {"out_channels": src + 2, "aggr": "add"}),
                ("wide-blocks", blocks | {"out_channels": src + 2}),
                ("sorted", {"is_sorted": True}),
            ]
            if conv == "RGCNConv":
                configs.append(("unknown_types", blocks, "unknown_types"))
            else:
                # It shares all but the forms with RGCNConv.
                configs = [("blocks", blocks), ("sum", {"aggr": "add"})]
            configs = spread(variant, configs)
            kwargs = base | {"in_channels": channels, "out_channels": F_OUT}
            yield from layer_cases(conv, variant, kwargs, configs, no_dst=False, inputs=("edge_type",))
        for variant in IDS:
            pair = variant.startswith("pair_")
            kwargs = ids | {"in_channels": [NODES, F_DST]} if pair else ids
            configs = spread(variant, shared) if conv == "RGCNConv" else []
            yield from layer_cases(conv, variant, kwargs, configs, no_dst=False, inputs=("edge_type",))


def nonfinite():
    base = {"in_channels": SMALL_IN, "num_relations": 2}
    for conv in ("RGCNConv", "FastRGCNConv"):
        for config, kwargs in (("default", {"out_channels": 4}), ("narrowing", {"out_channels": SMALL_OUT})):
            yield small(conv, "edge_index", config, base | kwargs, "edge_type")
            yield small(conv, "adj", config, base | kwargs | {"aggr": "add"}, "edge_type")
        blocks = {"num_blocks": 2, "out_channels": 4, "in_channels": [4, SMALL_IN]}
        yield small(conv, "pair_edge_index", "blocks", base | blocks, "edge_type")
    yield small("RGCNConv", "edge_index", "max", base | {"out_channels": SMALL_OUT, "aggr": "max"}, "edge_type")
