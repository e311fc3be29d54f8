"""WLConvContinuous."""

from .common import VARIANTS, layer_cases, small


def cases():
    for variant in VARIANTS:
        weight = "value" if variant.endswith("adj") else "edge_weight"
        yield from layer_cases("WLConvContinuous", variant, {}, [(weight, {}, weight)])


def nonfinite():
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("WLConvContinuous", variant, "default", {})
        yield small("WLConvContinuous", variant, weight, {}, weight)
