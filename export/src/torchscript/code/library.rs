//! The functions that archives bring along: message passing in terms of PyTorch's operators.
//!
//! Generated code calls `__torch__.kiln.ops.scatter_sum(x, index, N)` where the program has
//! `scatter`, so that it reads like the model and each operation is spelled out once. Only the
//! functions that an archive uses are written. Every operator here has the same schema in PyTorch
//! 1.13 and 2.x. Numerics and gradients are those of PyG's `scatter`, `softmax` and `degree`; but
//! floats of 16 bits are reduced in float32 and rounded once, and counted in integers.

use std::collections::BTreeSet;

/// A function of the library, or one that must be written before it.
struct Function {
    /// Its name below `__torch__.kiln.ops`.
    name: &'static str,
    /// Functions that it calls.
    uses: &'static [&'static str],
    /// Its text.
    text: &'static str,
}

/// All functions; one stands after those that it calls.
const FUNCTIONS: &[Function] = &[
    Function {
        name: "check_shape",
        uses: &[],
        text: r#"def check_shape(x: Tensor, name: str, shape: List[int]) -> NoneType:
  # Sizes of -1 are arbitrary.
  if torch.dim(x) != torch.len(shape):
    ops.prim.RaiseException(torch.format("expected {} to have {} dimensions, got shape {}", name, torch.len(shape), torch.size(x)), "builtins.ValueError")
  for axis in range(torch.len(shape)):
    if shape[axis] != -1 and shape[axis] != torch.size(x, axis):
      ops.prim.RaiseException(torch.format("expected size {} in dimension {} of {}, got shape {}", shape[axis], axis, name, torch.size(x)), "builtins.ValueError")
  return None
"#,
    },
    Function {
        name: "check_keys",
        uses: &[],
        text: r#"def check_keys(keys: List[str], name: str, needed: List[str], others: List[str]) -> NoneType:
  for key in needed:
    if not torch.__contains__(keys, key):
      ops.prim.RaiseException(torch.format("expected {} to have the key {}, got {}", name, key, keys), "builtins.KeyError")
  for key in keys:
    if not torch.__contains__(needed, key) and not torch.__contains__(others, key):
      ops.prim.RaiseException(torch.format("expected no key {} in {}, only {}", key, name, needed + others), "builtins.KeyError")
  return None
"#,
    },
    Function {
        name: "check_length",
        uses: &[],
        text: r#"def check_length(length: int, name: str, expected: int) -> NoneType:
  if length != expected:
    ops.prim.RaiseException(torch.format("expected {} items in {}, got {}", expected, name, length), "builtins.ValueError")
  return None
"#,
    },
    Function {
        name: "check_count",
        uses: &[],
        text: r#"def check_count(count: int, name: str) -> NoneType:
  if count < 0:
    ops.prim.RaiseException(torch.format("expected sizes that leave {} at least 0, got {}", name, count), "builtins.ValueError")
  return None
"#,
    },
    Function {
        name: "size_of",
        uses: &["check_count"],
        text: r#"def size_of(size: Tensor) -> Tensor:
  # as many positions as the integer in it says
  count = int(size)
  __torch__.kiln.ops.check_count(count, "a size")
  return torch.arange(count, dtype=4, layout=None, device=ops.prim.device(size))
"#,
    },
    Function {
        name: "stack",
        uses: &[],
        text: r"def stack(rows: List[Tensor], reverse: bool, shape: List[int], dtype: int, device: Device) -> Tensor:
  # rows of one tensor, in the other order if `reverse`; of the given shape if there are none
  if torch.len(rows) == 0:
    out = torch.full(shape, 0, dtype=dtype, layout=None, device=device)
  else:
    out = torch.stack(rows)
  if reverse:
    out = torch.flip(out, [0])
  else:
    pass
  return out
",
    },
    Function {
        name: "check_nodes",
        uses: &[],
        text: r#"def check_nodes(size: Optional[Tuple[int, int]], name: str, src: int, dst: int) -> NoneType:
  if size is not None:
    if size[0] != src or size[1] != dst:
      ops.prim.RaiseException(torch.format("expected {} to be ({}, {}) as the inputs show, got {}", name, src, dst, size), "builtins.ValueError")
  return None
"#,
    },
    Function {
        name: "check_int",
        uses: &[],
        text: r#"def check_int(count: Optional[int], name: str, expected: int) -> NoneType:
  if count is not None:
    if count != expected:
      ops.prim.RaiseException(torch.format("expected {} to be {} as the inputs show, got {}", name, expected, count), "builtins.ValueError")
  return None
"#,
    },
    Function {
        name: "broadcast",
        uses: &[],
        text: "def broadcast(index: Tensor, x: Tensor) -> Tensor:
  # index [E] as a view of the shape of x [E, ..]
  if torch.size(index, 0) != torch.size(x, 0):
    ops.prim.RaiseException(torch.format(\"expected as many rows as indices, got {} and {}\", torch.size(x, 0), torch.size(index, 0)), \"builtins.ValueError\")
  ones = torch.mul([1], torch.dim(x) - 1)
  return torch.expand_as(torch.view(index, torch.add([-1], ones)), x)
",
    },
    Function {
        name: "rows",
        uses: &[],
        text: "def rows(x: Tensor, size: int) -> List[int]:
  # the shape of x [E, ..] with `size` rows
  return torch.add([size], torch.slice(torch.size(x), 1))
",
    },
    Function {
        name: "within",
        uses: &[],
        text: "def within(value: float, dtype: int) -> float:
  # the number of an element type that is nearest to one out of its range
  limit = 3.4028234663852886e+38
  if dtype == 5:
    limit = 65504.
  elif dtype == 15:
    limit = 3.3895313892515355e+38
  elif dtype == 7:
    limit = 1.7976931348623157e+308
  return ops.prim.max(-limit, ops.prim.min(value, limit))
",
    },
    Function {
        name: "wide",
        uses: &[],
        text: "def wide(x: Tensor) -> Tensor:
  # floats of 16 bits as float32: sums of many lose nothing
  dtype = ops.prim.dtype(x)
  if dtype == 5 or dtype == 15:
    dtype = 6
  return torch.to(x, dtype)
",
    },
    Function {
        name: "wide_sum",
        uses: &["broadcast", "rows", "wide"],
        text: "def wide_sum(x: Tensor, index: Tensor, size: int) -> Tensor:
  values = __torch__.kiln.ops.wide(x)
  out = torch.new_zeros(values, __torch__.kiln.ops.rows(x, size))
  return torch.scatter_add_(out, 0, __torch__.kiln.ops.broadcast(index, x), values)
",
    },
    Function {
        name: "scatter_sum",
        uses: &["wide_sum"],
        text: "def scatter_sum(x: Tensor, index: Tensor, size: int) -> Tensor:
  return torch.to(__torch__.kiln.ops.wide_sum(x, index, size), ops.prim.dtype(x))
",
    },
    Function {
        name: "count",
        uses: &["wide_sum"],
        text: "def count(index: Tensor, size: int) -> Tensor:
  # in integers, since no float of 16 bits counts beyond 2048
  return __torch__.kiln.ops.wide_sum(torch.ones_like(index), index, size)
",
    },
    Function {
        name: "scatter_mean",
        uses: &["broadcast", "count", "wide_sum"],
        text: "def scatter_mean(x: Tensor, index: Tensor, size: int) -> Tensor:
  out = __torch__.kiln.ops.wide_sum(x, index, size)
  count = torch.clamp(__torch__.kiln.ops.count(index, size), min=1, max=None)
  return torch.to(torch.div(out, __torch__.kiln.ops.broadcast(count, out)), ops.prim.dtype(x))
",
    },
    Function {
        name: "scatter_reduced",
        uses: &["broadcast", "rows", "wide"],
        text: "def scatter_reduced(x: Tensor, index: Tensor, size: int, start: int, reduce: str, include_start: bool) -> Tensor:
  values = __torch__.kiln.ops.wide(x)
  out = torch.new_full(values, __torch__.kiln.ops.rows(x, size), start)
  out = torch.scatter_reduce_(out, 0, __torch__.kiln.ops.broadcast(index, x), values, reduce, include_self=include_start)
  return torch.to(out, ops.prim.dtype(x))
",
    },
    Function {
        name: "scatter_elements",
        uses: &["wide"],
        text: "def scatter_elements(x: Tensor, dim: int, index: Tensor, value: Tensor, reduce: str) -> Tensor:
  out = torch.scatter_reduce(__torch__.kiln.ops.wide(x), dim, index, __torch__.kiln.ops.wide(value), reduce, include_self=True)
  return torch.to(out, ops.prim.dtype(x))
",
    },
    Function {
        name: "scatter_max",
        uses: &["scatter_reduced"],
        text: "def scatter_max(x: Tensor, index: Tensor, size: int) -> Tensor:
  return __torch__.kiln.ops.scatter_reduced(x, index, size, 0, \"amax\", False)
",
    },
    Function {
        name: "scatter_min",
        uses: &["scatter_reduced"],
        text: "def scatter_min(x: Tensor, index: Tensor, size: int) -> Tensor:
  return __torch__.kiln.ops.scatter_reduced(x, index, size, 0, \"amin\", False)
",
    },
    Function {
        name: "scatter_mul",
        uses: &["scatter_reduced"],
        text: "def scatter_mul(x: Tensor, index: Tensor, size: int) -> Tensor:
  return __torch__.kiln.ops.scatter_reduced(x, index, size, 1, \"prod\", True)
",
    },
    Function {
        name: "ptr_to_index",
        uses: &[],
        text: "def ptr_to_index(ptr: Tensor, entries: int) -> Tensor:
  rows = torch.arange(torch.size(ptr, 0) - 1, dtype=4, layout=None, device=ops.prim.device(ptr))
  index = torch.repeat_interleave(rows, torch.diff(ptr), 0)
  if torch.size(index, 0) != entries:
    ops.prim.RaiseException(torch.format(\"expected row pointers up to {}, got {}\", entries, torch.size(index, 0)), \"builtins.ValueError\")
  return index
",
    },
    Function {
        name: "segment_sum",
        uses: &["ptr_to_index", "scatter_sum"],
        text: "def segment_sum(x: Tensor, ptr: Tensor) -> Tensor:
  return __torch__.kiln.ops.scatter_sum(x, __torch__.kiln.ops.ptr_to_index(ptr, torch.size(x, 0)), torch.size(ptr, 0) - 1)
",
    },
    Function {
        name: "segment_mean",
        uses: &["ptr_to_index", "scatter_mean"],
        text: "def segment_mean(x: Tensor, ptr: Tensor) -> Tensor:
  return __torch__.kiln.ops.scatter_mean(x, __torch__.kiln.ops.ptr_to_index(ptr, torch.size(x, 0)), torch.size(ptr, 0) - 1)
",
    },
    Function {
        name: "segment_max",
        uses: &["ptr_to_index", "scatter_max"],
        text: "def segment_max(x: Tensor, ptr: Tensor) -> Tensor:
  return __torch__.kiln.ops.scatter_max(x, __torch__.kiln.ops.ptr_to_index(ptr, torch.size(x, 0)), torch.size(ptr, 0) - 1)
",
    },
    Function {
        name: "segment_min",
        uses: &["ptr_to_index", "scatter_min"],
        text: "def segment_min(x: Tensor, ptr: Tensor) -> Tensor:
  return __torch__.kiln.ops.scatter_min(x, __torch__.kiln.ops.ptr_to_index(ptr, torch.size(x, 0)), torch.size(ptr, 0) - 1)
",
    },
    Function {
        name: "segment_mul",
        uses: &["ptr_to_index", "scatter_mul"],
        text: "def segment_mul(x: Tensor, ptr: Tensor) -> Tensor:
  return __torch__.kiln.ops.scatter_mul(x, __torch__.kiln.ops.ptr_to_index(ptr, torch.size(x, 0)), torch.size(ptr, 0) - 1)
",
    },
    Function {
        name: "segment_softmax",
        uses: &["scatter_max", "wide", "wide_sum"],
        text: "def segment_softmax(x: Tensor, index: Tensor, size: int) -> Tensor:
  values = __torch__.kiln.ops.wide(x)
  peak = __torch__.kiln.ops.scatter_max(torch.detach(values), index, size)
  out = torch.exp(torch.sub(values, torch.index_select(peak, 0, index)))
  total = torch.add(__torch__.kiln.ops.wide_sum(out, index, size), 1e-16)
  return torch.to(torch.div(out, torch.index_select(total, 0, index)), ops.prim.dtype(x))
",
    },
    Function {
        name: "running_statistic",
        uses: &[],
        text: "def running_statistic(outside: Tensor, batch: Tensor, newest: Tensor, running: Tensor, momentum: float, training: bool) -> Tensor:
  if training:
    kept = torch.mul(torch.detach(running), 1. - momentum)
    after = torch.add(kept, torch.mul(torch.detach(newest), momentum))
    unused = torch.copy_(running, after)
    out = batch
  else:
    out = outside
  return out
",
    },
    Function {
        name: "messages",
        uses: &[],
        text: "def messages(x: Tensor, src: Tensor, weight: Optional[Tensor]) -> Tensor:
  x_j = torch.index_select(x, 0, src)
  if weight is None:
    out = x_j
  else:
    out = torch.mul(torch.unsqueeze(weight, 1), x_j)
  return out
",
    },
    Function {
        name: "spmm_sum",
        uses: &["messages", "scatter_sum"],
        text: "def spmm_sum(x: Tensor, src: Tensor, dst: Tensor, weight: Optional[Tensor], size: int) -> Tensor:
  return __torch__.kiln.ops.scatter_sum(__torch__.kiln.ops.messages(x, src, weight), dst, size)
",
    },
    Function {
        name: "spmm_mean",
        uses: &["messages", "scatter_mean"],
        text: "def spmm_mean(x: Tensor, src: Tensor, dst: Tensor, weight: Optional[Tensor], size: int) -> Tensor:
  return __torch__.kiln.ops.scatter_mean(__torch__.kiln.ops.messages(x, src, weight), dst, size)
",
    },
    Function {
        name: "spmm_max",
        uses: &["messages", "scatter_max"],
        text: "def spmm_max(x: Tensor, src: Tensor, dst: Tensor, weight: Optional[Tensor], size: int) -> Tensor:
  return __torch__.kiln.ops.scatter_max(__torch__.kiln.ops.messages(x, src, weight), dst, size)
",
    },
    Function {
        name: "spmm_min",
        uses: &["messages", "scatter_min"],
        text: "def spmm_min(x: Tensor, src: Tensor, dst: Tensor, weight: Optional[Tensor], size: int) -> Tensor:
  return __torch__.kiln.ops.scatter_min(__torch__.kiln.ops.messages(x, src, weight), dst, size)
",
    },
    Function {
        name: "spmm_mul",
        uses: &["messages", "scatter_mul"],
        text: "def spmm_mul(x: Tensor, src: Tensor, dst: Tensor, weight: Optional[Tensor], size: int) -> Tensor:
  return __torch__.kiln.ops.scatter_mul(__torch__.kiln.ops.messages(x, src, weight), dst, size)
",
    },
    Function {
        name: "spmm_csr_sum",
        uses: &["messages", "segment_sum"],
        text: "def spmm_csr_sum(x: Tensor, rowptr: Tensor, col: Tensor, value: Optional[Tensor]) -> Tensor:
  return __torch__.kiln.ops.segment_sum(__torch__.kiln.ops.messages(x, col, value), rowptr)
",
    },
    Function {
        name: "spmm_csr_mean",
        uses: &["messages", "segment_mean"],
        text: "def spmm_csr_mean(x: Tensor, rowptr: Tensor, col: Tensor, value: Optional[Tensor]) -> Tensor:
  return __torch__.kiln.ops.segment_mean(__torch__.kiln.ops.messages(x, col, value), rowptr)
",
    },
    Function {
        name: "spmm_csr_max",
        uses: &["messages", "segment_max"],
        text: "def spmm_csr_max(x: Tensor, rowptr: Tensor, col: Tensor, value: Optional[Tensor]) -> Tensor:
  return __torch__.kiln.ops.segment_max(__torch__.kiln.ops.messages(x, col, value), rowptr)
",
    },
    Function {
        name: "spmm_csr_min",
        uses: &["messages", "segment_min"],
        text: "def spmm_csr_min(x: Tensor, rowptr: Tensor, col: Tensor, value: Optional[Tensor]) -> Tensor:
  return __torch__.kiln.ops.segment_min(__torch__.kiln.ops.messages(x, col, value), rowptr)
",
    },
    Function {
        name: "spmm_csr_mul",
        uses: &["messages", "segment_mul"],
        text: "def spmm_csr_mul(x: Tensor, rowptr: Tensor, col: Tensor, value: Optional[Tensor]) -> Tensor:
  return __torch__.kiln.ops.segment_mul(__torch__.kiln.ops.messages(x, col, value), rowptr)
",
    },
    Function {
        name: "degree",
        uses: &["count"],
        text: "def degree(index: Tensor, size: int, dtype: int) -> Tensor:
  return torch.to(__torch__.kiln.ops.count(index, size), dtype)
",
    },
    Function {
        name: "inverse_sqrt_degree",
        uses: &["wide_sum"],
        text: "def inverse_sqrt_degree(src: Tensor, dst: Tensor, size: int, self_loop: Optional[float], dtype: int) -> Tensor:
  # counted in integers; the root is taken in float32 or wider and rounded once
  ones = torch.ones_like(dst)
  if self_loop is None:
    counted, weight = ones, 0.
  else:
    counted, weight = torch.masked_fill(ones, torch.eq(src, dst), 0), self_loop
  count = __torch__.kiln.ops.wide_sum(counted, dst, size)
  wide = 6
  if dtype == 7:
    wide = 7
  degree = torch.add(torch.to(count, wide), weight)
  scale = torch.masked_fill(torch.rsqrt(degree), torch.eq(degree, 0), 0)
  return torch.to(scale, dtype)
",
    },
    Function {
        name: "coo_to_csr",
        uses: &["count"],
        text: "def coo_to_csr(index: Tensor, size: int) -> Tuple[Tensor, Tensor]:
  # row pointers, and the stable permutation that sorts by index
  values, perm, = torch.sort(index, stable=True, dim=0, descending=False)
  count = __torch__.kiln.ops.count(index, size)
  rowptr = torch.cat([torch.new_zeros(index, [1]), torch.cumsum(count, 0)], 0)
  return (rowptr, perm)
",
    },
    Function {
        name: "top_k",
        uses: &[],
        text: "def top_k(x: Tensor, k: int, dim: int, largest: bool) -> Tuple[Tensor, Tensor]:
  # torch.topk does not say which of equal elements are taken
  values, position, = torch.sort(x, stable=True, dim=dim, descending=largest)
  return (torch.narrow(values, dim, 0, k), torch.narrow(position, dim, 0, k))
",
    },
    Function {
        name: "self_loop_position",
        uses: &[],
        text: "def self_loop_position(src: Tensor, dst: Tensor, size: int) -> Tensor:
  # for each node the position of its last self loop, or the number of edges
  edges = torch.size(src, 0)
  numbers = torch.arange(edges, dtype=4, layout=None, device=ops.prim.device(src))
  loops = torch.where(torch.eq(src, dst), numbers, torch.full_like(numbers, -1))
  none = torch.full([size], -1, dtype=4, layout=None, device=ops.prim.device(src))
  last = torch.scatter_reduce_(none, 0, dst, loops, \"amax\", include_self=True)
  return torch.masked_fill(last, torch.lt(last, 0), edges)
",
    },
];

/// The functions of the library that an archive uses.
#[derive(Debug, Default)]
pub(super) struct Library {
    used: BTreeSet<&'static str>,
}

impl Library {
    /// The qualified name of a function, which the archive will contain.
    pub(super) fn function(&mut self, name: &str) -> String {
        self.mark(name);
        format!("__torch__.kiln.ops.{name}")
    }

    /// The text of the file with all functions used, or nothing if there are none.
    pub(super) fn text(&self) -> Option<String> {
        let text: String = FUNCTIONS
            .iter()
            .filter(|function| self.used.contains(function.name))
            .map(|function| function.text)
            .collect();
        (!text.is_empty()).then_some(text)
    }

    fn mark(&mut self, name: &str) {
        if let Some(function) = FUNCTIONS.iter().find(|function| function.name == name)
            && self.used.insert(function.name)
        {
            function.uses.iter().for_each(|name| self.mark(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_stand_after_those_they_call_and_list_them_all() {
        for (position, function) in FUNCTIONS.iter().enumerate() {
            assert!(
                function
                    .text
                    .starts_with(&format!("def {}(", function.name))
            );
            let mut called: Vec<&str> = function
                .text
                .split("__torch__.kiln.ops.")
                .skip(1)
                .filter_map(|rest| rest.split('(').next())
                .collect();
            called.sort_unstable();
            called.dedup();
            assert_eq!(called, function.uses, "{}", function.name);
            for name in called {
                assert!(
                    FUNCTIONS[..position]
                        .iter()
                        .any(|earlier| earlier.name == name)
                );
            }
        }
    }
}
