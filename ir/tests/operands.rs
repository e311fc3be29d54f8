//! Every operation on tensors without elements, of graphs without edges or nodes and features
//! without columns, and on floats of every type. None panics; values are for other tests.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Bool, DType, Int, Tensor, TensorData};
use kiln_core::AnyTensor;
use kiln_ir::Session;

use crate::{
    exec::model,
    support::{Inputs, device},
};

/// Operations by result and text; operands are `x`, `y: f32[$N, $F]`, `i`, `j: i64[$E]`, `p:
/// i64[$N + 1]`, `m: bool[$E]`, `w: f32[4, $F]`, `b: f32[4]`, `v: f32[$F]`, `e: f32[$E]`, `h:
/// f32[$N, 2, $F]`, `a: f32[$N, 2]`.
const OPS: &[(&str, &str)] = &[
    ("f32[$N, $F]", "full{value=1.0, elem=f32, dims=[$N, $F]}()"),
    ("i64[$E]", "full{value=1, elem=i64, dims=[$E]}()"),
    ("bool[$E]", "full{value=true, elem=bool, dims=[$E]}()"),
    ("i64[$N]", "arange{start=0, end=$N}()"),
    ("f32[$N, $F]", "exp(x)"),
    ("f32[$N, $F]", "gelu(x)"),
    ("f32[$N, $F]", "sigmoid(x)"),
    ("i64[$E]", "neg(i)"),
    ("i64[$E]", "abs(i)"),
    ("f32[$N, $F]", "add(x, y)"),
    ("f32[$N, $F]", "div(x, y)"),
    ("i64[$E]", "add(i, j)"),
    ("i64[$E]", "div(i, j)"),
    ("i64[$E]", "rem(i, j)"),
    ("i64[$E]", "pow(i, j)"),
    ("bool[$E]", "equal(i, j)"),
    ("bool[$N, $F]", "greater(x, y)"),
    ("bool[$E]", "not(m)"),
    ("bool[$E]", "and(m, m)"),
    ("f32[$N, $F]", "mul_scalar{rhs=2.0}(x)"),
    ("i64[$E]", "pow_scalar{rhs=5}(i)"),
    ("i64[$E]", "div_scalar{rhs=5}(i)"),
    ("bool[$E]", "xor_scalar{rhs=true}(m)"),
    ("bool[$E]", "and_scalar{rhs=false}(m)"),
    ("f32[$N, $F]", "leaky_relu{slope=0.1}(x)"),
    ("f32[$N, $F]", "clamp{min=0.0, max=1.0}(x)"),
    ("f32[$N, $F]", "clamp{min=1.0, max=0.0}(x)"),
    ("i64[$E]", "clamp{min=1, max=0}(i)"),
    ("i64[$N, $F]", "cast{elem=i64}(x)"),
    ("bool[$N, $F]", "cast{elem=bool}(x)"),
    ("f32[$E]", "cast{elem=f32}(i)"),
    ("i64[$E]", "cast{elem=i64}(m)"),
    ("f32[$E]", "cast{elem=f32}(m)"),
    ("f32[$N, $F]", "detach(x)"),
    ("i64[$E]", "mask_where(i, m, j)"),
    ("f32[$E]", "mask_where(e, m, e)"),
    ("bool[$E]", "mask_where(m, m, m)"),
    ("i64[$E]", "mask_fill{value=3}(i, m)"),
    ("f32[$E]", "mask_fill{value=3.0}(e, m)"),
    ("f32[$N, $F]", "dropout{prob=0.5}(x)"),
    ("f32[$F, $N]", "reshape{dims=[$F, $N]}(x)"),
    ("f32[$F, $N]", "permute{axes=[1, 0]}(x)"),
    ("f32[3, $N, $F]", "expand{dims=[3, $N, $F]}(x)"),
    ("f32[$N, $F]", "slice{ranges=[0..$N, 0..$F]}(x)"),
    ("i64[0]", "slice{ranges=[0..0]}(i)"),
    ("f32[2*$N, $F]", "cat{dim=0}(x, y)"),
    ("i64[2*$E]", "cat{dim=0}(i, j)"),
    ("bool[2*$E]", "cat{dim=0}(m, m)"),
    ("f32[3*$N, $F]", "repeat_dim{dim=0, times=3}(x)"),
    ("f32[0, $F]", "repeat_dim{dim=0, times=0}(x)"),
    ("i64[3*$E]", "repeat_dim{dim=0, times=3}(i)"),
    ("bool[3*$E]", "repeat_dim{dim=0, times=3}(m)"),
    ("f32[$E, $F]", "select{dim=0}(x, i)"),
    ("f32[4, $E]", "select{dim=1}(w, i)"),
    ("i64[$E]", "select{dim=0}(p, i)"),
    ("bool[$E]", "select{dim=0}(m, i)"),
    ("f32[$E]", "gather_elements{dim=0}(b, i)"),
    ("i64[$E]", "gather_elements{dim=0}(p, i)"),
    ("bool[$E]", "gather_elements{dim=0}(m, i)"),
    ("f32[1, $F]", "reduce_sum{axes=[0]}(x)"),
    ("f32[$N, 1]", "reduce_sum{axes=[1]}(x)"),
    ("f32[1, 1]", "reduce_sum{axes=[0, 1]}(x)"),
    ("f32[$N, 1]", "reduce_mean{axes=[1]}(x)"),
    ("f32[1, $F]", "reduce_mean{axes=[0]}(x)"),
    ("f32[1, $F]", "reduce_prod{axes=[0]}(x)"),
    ("i64[1]", "reduce_sum{axes=[0]}(i)"),
    ("i64[1]", "reduce_prod{axes=[0]}(i)"),
    ("bool[1]", "reduce_any{axes=[0]}(m)"),
    ("bool[1]", "reduce_all{axes=[0]}(m)"),
    ("f32[$N, $F]", "softmax{dim=1}(x)"),
    ("f32[$N, $F]", "softmax{dim=0}(x)"),
    ("f32[$N, $F]", "log_softmax{dim=1}(x)"),
    ("f32[$N, $F]", "log_softmax{dim=0}(x)"),
    ("i64[$E]", "gather(p, i)"),
    ("i64[$N]", "scatter{reduce=sum, size=$N}(i, j)"),
    ("i64[$N]", "scatter{reduce=max, size=$N}(i, j)"),
    ("f32[$N]", "scatter_elements{dim=0, reduce=sum}(n, i, e)"),
    ("f32[$N]", "scatter_elements{dim=0, reduce=max}(n, i, e)"),
    ("f32[$N]", "scatter_elements{dim=0, reduce=mean}(n, i, e)"),
    (
        "i64[$N + 1]",
        "scatter_elements{dim=0, reduce=mul}(p, i, j)",
    ),
    ("f32[$N, $F]", "cumsum{dim=0}(x)"),
    ("f32[$N, $F]", "cumsum{dim=1}(x)"),
    ("i64[$E]", "cumsum{dim=0}(i)"),
    (
        "f32[$N, $F], %13: i64[$N, $F]",
        "sort{dim=0, descending=true}(x)",
    ),
    (
        "f32[$N, $F], %13: i64[$N, $F]",
        "sort{dim=1, descending=false}(x)",
    ),
    ("i64[$E], %13: i64[$E]", "sort{dim=0, descending=true}(i)"),
    (
        "f32[$N, $F], %13: i64[$N, $F]",
        "top_k{dim=0, k=$N, largest=true}(x)",
    ),
    (
        "f32[$N, 0], %13: i64[$N, 0]",
        "top_k{dim=1, k=0, largest=true}(x)",
    ),
    ("i64[$N, $F]", "searchsorted{right=true}(e, x)"),
    ("i64[$E]", "searchsorted{right=false}(p, i)"),
    ("f32[$N, 4]", "linear(x, w)"),
    ("f32[$N, 4]", "linear(x, w, b)"),
    ("f32[$N, 2, 4]", "linear(h, w, b)"),
    ("f32[$N, $F]", "layer_norm{epsilon=0.1}(x, v)"),
    ("f32[$N, $F]", "layer_norm{epsilon=0.1}(x, v, v)"),
    (
        "f32[$N, $F]",
        "batch_norm{epsilon=0.1, momentum=none}(x, v, v, v, v)",
    ),
    (
        "f32[$N, $F]",
        "running_statistic{momentum=0.1, counts=true}(x, x, v, v)",
    ),
    ("f32[$E, $F]", "gather(x, i)"),
    ("f32[$N]", "scatter{reduce=sum, size=$N}(e, i)"),
    ("f32[$N]", "scatter{reduce=mean, size=$N}(e, i)"),
    ("f32[$N]", "scatter{reduce=max, size=$N}(e, i)"),
    ("f32[$N]", "scatter{reduce=mul, size=$N}(e, i)"),
    ("f32[$N]", "segment_reduce{reduce=sum}(e, p)"),
    ("f32[$N]", "segment_reduce{reduce=max}(e, p)"),
    ("f32[$E]", "segment_softmax{size=$N}(e, i)"),
    ("f32[$N, $F]", "spmm{reduce=sum, size=$N}(x, i, j)"),
    ("f32[$N, $F]", "spmm{reduce=mean, size=$N}(x, i, j)"),
    ("f32[$N, $F]", "spmm{reduce=max, size=$N}(x, i, j, e)"),
    ("f32[$N, $F]", "spmm{reduce=mul, size=$N}(x, i, j, e)"),
    ("f32[$N, $F]", "spmm_csr{reduce=sum}(x, p, i)"),
    ("f32[$N, $F]", "spmm_csr{reduce=min}(x, p, i, e)"),
    ("f32[$N]", "degree{size=$N, elem=f32}(i)"),
    ("i64[$E]", "ptr_to_index{entries=$E}(p)"),
    ("i64[$N + 1], %13: i64[$E]", "coo_to_csr{size=$N}(i)"),
    ("i64[$K]", "nonzero(m)"),
    ("i64[$K]", "repeat_interleave(i)"),
    ("i64[$K]", "repeat_interleave(p)"),
    ("i64[$N]", "self_loop_position{size=$N}(i, j)"),
    (
        "f32[$N, 2, $F]",
        "edge_attention{slope=0.2, self_loops=false, dropout=0.0, size=$N}(h, i, j, a, a)",
    ),
    (
        "f32[$N, 2, $F]",
        "edge_attention{slope=0.2, self_loops=true, dropout=0.5, size=$N}(h, i, j, a, a)",
    ),
    ("f32[$N, $F]", "spmm_normalized{self_loop=none}(x, i, j, n)"),
    ("f32[$N, $F]", "spmm_normalized{self_loop=1.0}(x, i, j, n)"),
    (
        "f32[$N]",
        "inverse_sqrt_degree{self_loop=none, size=$N, elem=f32}(i, j)",
    ),
    (
        "f32[$N]",
        "inverse_sqrt_degree{self_loop=1.0, size=$N, elem=f32}(i, j)",
    ),
];

const PARAMS: [(&str, &str); 13] = [
    ("x", "f32[$N, $F]"),
    ("y", "f32[$N, $F]"),
    ("i", "i64[$E]"),
    ("j", "i64[$E]"),
    ("p", "i64[$N + 1]"),
    ("m", "bool[$E]"),
    ("w", "f32[4, $F]"),
    ("b", "f32[4]"),
    ("v", "f32[$F]"),
    ("e", "f32[$E]"),
    ("h", "f32[$N, 2, $F]"),
    ("a", "f32[$N, 2]"),
    ("n", "f32[$N]"),
];

fn program(result: &str, op: &str) -> String {
    let list = |text: &dyn Fn(usize, &str, &str) -> String| {
        let all = PARAMS.iter().enumerate();
        let all: Vec<String> = all.map(|(at, (name, ty))| text(at, name, ty)).collect();
        all.join(", ")
    };
    let params = list(&|_, name, ty| format!("{name}: {ty}"));
    let inputs = list(&|at, name, ty| format!("{name} %{at}: {ty}"));
    let (name, operands) = op.rsplit_once('(').unwrap();
    let number = |name: &str| {
        let at = PARAMS.iter().position(|(other, _)| *other == name);
        at.map(|at| format!("%{at}"))
    };
    let names = operands.trim_end_matches(')').split(", ");
    let operands: Vec<String> = names.filter_map(number).collect();
    let operands = operands.join(", ");
    let results = result.replace(", %13: ", ", %14: ");
    let (types, outputs) = match results.split_once(", %14: ") {
        Some((first, second)) => (format!("({first}, {second})"), "%13, %14"),
        None => (results.clone(), "%13"),
    };
    format!(
        "kiln 1\nsymbols $N, $E, $F, $K\nmodule @ = Net {{\n  method forward({params}) -> {types} {{\n    \
         case () -> @forward\n  }}\n}}\nfn @forward({inputs}) -> ({outputs}) {{\n  \
         %13: {results} = {name}({operands})\n}}\n"
    )
}

fn inputs([nodes, edges, features]: [usize; 3], dtype: DType) -> Inputs {
    let (device, _guard) = device();
    let options = (&device, dtype);
    let float = |shape: [usize; 2]| AnyTensor::from(Tensor::<2>::ones(shape, options));
    let vector = |length: usize| AnyTensor::from(Tensor::<1>::ones([length], options));
    let int = |values: Vec<usize>| {
        let values: Vec<i64> = values
            .iter()
            .map(|&id| i64::try_from(id).unwrap())
            .collect();
        let shape = [values.len()];
        let data = TensorData::new(values, shape);
        AnyTensor::from(Tensor::<1, Int>::from_data(data, (&device, DType::I64)))
    };
    let pointers = (0..=nodes).map(|node| if node < nodes { 0 } else { edges });
    let mask = Tensor::<1, Bool>::full([edges], true, &device);
    let hidden = Tensor::<3>::ones([nodes, 2, features], options);
    Inputs::from(
        [
            ("x", float([nodes, features])),
            ("y", float([nodes, features])),
            ("i", int(vec![0; edges])),
            ("j", int(vec![1; edges])),
            ("p", int(pointers.collect())),
            ("m", mask.into()),
            ("w", float([4, features])),
            ("b", vector(4)),
            ("v", vector(features)),
            ("e", vector(edges)),
            ("h", hidden.into()),
            ("a", float([nodes, 2])),
            ("n", vector(nodes)),
        ]
        .map(|(name, tensor)| (name.to_owned(), tensor)),
    )
}

/// Runs each operation; those that fail or panic.
fn failures(elem: &str, dtype: DType, sizes: &[[usize; 3]]) -> Vec<String> {
    let device = device().0;
    let mut failed = Vec::new();
    for (result, op) in OPS {
        let text = program(result, op).replace("f32", elem);
        let session = Session::new(&model(&text), &device).unwrap();
        for &sizes in sizes {
            let run = || {
                let ran = session.run("forward", inputs(sizes, dtype)).map(drop);
                ran.map_err(|error| error.to_string())?;
                let call = session.prepare("forward", inputs(sizes, dtype)).map(drop);
                call.map_err(|error| error.to_string())
            };
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failed.push(format!("{op} {sizes:?}: {error}")),
                Err(_) => failed.push(format!("{op} {sizes:?} of {elem}: panicked")),
            }
        }
    }
    failed
}

#[test]
fn operations_take_tensors_without_elements() {
    let sizes = [[0, 0, 3], [2, 0, 3], [2, 0, 0], [0, 0, 0]];
    let failed = failures("f32", DType::F32, &sizes);
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn operations_take_floats_of_every_type() {
    for (elem, dtype) in [
        ("f64", DType::F64),
        ("f16", DType::F16),
        ("bf16", DType::BF16),
        ("f32", DType::F32),
    ] {
        let failed = failures(elem, dtype, &[[2, 3, 2], [0, 0, 2]]);
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
