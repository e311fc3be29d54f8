"""Norms of nodes: in evaluation, on inputs that are not finite, and while they are trained."""

from .common import F_IN, SMALL_IN, Case, small

TYPES = 3
# The configurations of each class, the default first, without the width.
CONFIGS = {
    "BatchNorm": [
        ("default", {}),
        ("eps", {"eps": 0.01}),
        ("momentum", {"momentum": 0.3}),
        ("no_affine", {"affine": False}),
        ("untracked", {"track_running_stats": False}),
        ("plain", {"affine": False, "track_running_stats": False}),
        ("single", {"allow_single_element": True}),
        ("single_no_affine", {"allow_single_element": True, "affine": False}),
    ],
    "InstanceNorm": [
        ("default", {"affine": True}),
        ("plain", {}),
        ("eps", {"eps": 0.01}),
        ("tracked", {"affine": True, "track_running_stats": True, "momentum": 0.3}),
        ("tracked_no_affine", {"track_running_stats": True}),
    ],
    "LayerNorm": [
        ("default", {}),
        ("no_affine", {"affine": False, "eps": 0.01}),
        ("node", {"mode": "node"}),
        ("node_no_affine", {"mode": "node", "affine": False}),
    ],
    "GraphNorm": [("default", {}), ("eps", {"eps": 0.01})],
    "GraphSizeNorm": [("default", {})],
    "PairNorm": [
        ("default", {}),
        ("scale", {"scale": 2.5, "eps": 0.01}),
        ("individual", {"scale": 0.5, "scale_individually": True}),
    ],
    "MeanSubtractionNorm": [("default", {})],
    "MessageNorm": [("default", {"learn_scale": True}), ("fixed", {})],
    "DiffGroupNorm": [
        ("default", {"groups": 3, "lamda": 0.5}),
        ("lamda", {"groups": 2}),
        ("plain", {"groups": 3, "lamda": 0.5, "affine": False, "track_running_stats": False}),
    ],
    "HeteroBatchNorm": [
        ("default", {"num_types": TYPES}),
        ("momentum", {"num_types": TYPES, "momentum": 0.3, "eps": 0.7}),
        ("no_affine", {"num_types": TYPES, "affine": False}),
        ("untracked", {"num_types": TYPES, "track_running_stats": False}),
    ],
    "HeteroLayerNorm": [("default", {"num_types": TYPES}), ("no_affine", {"num_types": TYPES, "affine": False})],
}
# Those without a width, and those that look at a node without its graph.
WITHOUT_WIDTH = ("GraphSizeNorm", "PairNorm", "MeanSubtractionNorm", "MessageNorm")
WITHOUT_GRAPHS = ("BatchNorm", "MessageNorm", "DiffGroupNorm", "HeteroBatchNorm", "HeteroLayerNorm")
# Those with running statistics.
TRAINED = ("BatchNorm", "InstanceNorm", "DiffGroupNorm", "HeteroBatchNorm")


def variants(conv, config="default"):
    if conv == "HeteroLayerNorm":
        return ("nodes", "nodes_type_ptr")
    if conv in WITHOUT_GRAPHS:
        return ("nodes",)
    return ("nodes", "nodes_batch", "nodes_batch_only") if config == "default" else ("nodes", "nodes_batch")


def inputs(conv):
    return ("msg",) if conv == "MessageNorm" else ()


def kwargs_of(conv, width, kwargs):
    return kwargs if conv in WITHOUT_WIDTH else {"in_channels": width} | kwargs


def cases():
    for conv, configs in CONFIGS.items():
        for config, kwargs in configs:
            for variant in variants(conv, config):
                yield Case(conv, variant, "plain", config, kwargs_of(conv, F_IN, kwargs), frozenset(inputs(conv)))


def nonfinite():
    for conv, configs in CONFIGS.items():
        for config, kwargs in configs:
            for variant in variants(conv, config):
                if config not in ("eps", "momentum", "scale", "single"):
                    yield small(conv, variant, config, kwargs_of(conv, SMALL_IN, kwargs), *inputs(conv))


def training():
    for conv in TRAINED:
        for config, kwargs in CONFIGS[conv]:
            for variant in variants(conv, config):
                yield Case(conv, variant, "plain", config, kwargs_of(conv, F_IN, kwargs), frozenset(inputs(conv)))
