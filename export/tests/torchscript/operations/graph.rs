//! Message passing.

use kiln_ir::{ElemType, Float, GraphOp, Reduce, Size};

use super::Operations;
use crate::{
    builder::{bool, float, int},
    expectation::Data,
};

/// Adds operations of message passing.
pub(super) fn add(all: &mut Operations) {
    let (n, e) = (all.n.clone(), all.e.clone());
    let (k, k1) = (all.k.clone(), Size::fixed(1));
    let mask = bool(vec![e.clone()]);
    let bits = Data::bool(&[4], &[false, true, true, false]);
    let nodes = || {
        (
            float(vec![n.clone(), 2.into()]),
            Data::float(&[3, 2], &[1.0, -2.0, 3.0, 4.0, -5.0, 6.0]),
        )
    };
    let columns = int(vec![e.clone()]);
    let wide = || float(vec![n.clone(), 2.into()]);
    all.add(
        "gather",
        GraphOp::Gather,
        vec![nodes(), (columns.clone(), Data::int(&[4], &[2, 0, 0, 1]))],
        vec![(
            float(vec![e.clone(), 2.into()]),
            Data::float(&[4, 2], &[-5.0, 6.0, 1.0, -2.0, 1.0, -2.0, 3.0, 4.0]),
        )],
    );
    let size = Size::fixed(4);
    let rows = || float(vec![4.into(), 2.into()]);
    let reduced = [
        (
            Reduce::Sum,
            "scatter_sum",
            "segment_sum",
            [8.0, 10.0, 0.0, 0.0, 2.0, -2.0, 0.0, 0.0],
        ),
        (
            Reduce::Mean,
            "scatter_mean",
            "segment_mean",
            [4.0, 5.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0],
        ),
        (
            Reduce::Max,
            "scatter_max",
            "segment_max",
            [7.0, 8.0, 0.0, 0.0, 5.0, 4.0, 0.0, 0.0],
        ),
        (
            Reduce::Min,
            "scatter_min",
            "segment_min",
            [1.0, 2.0, 0.0, 0.0, -3.0, -6.0, 0.0, 0.0],
        ),
        (
            Reduce::Mul,
            "scatter_mul",
            "segment_mul",
            [7.0, 16.0, 1.0, 1.0, -15.0, -24.0, 1.0, 1.0],
        ),
    ];
    for (reduce, scatter, segment, out) in reduced {
        let out = Data::float(&[4, 2], &out);
        all.edges(
            scatter,
            GraphOp::Scatter {
                reduce,
                size: size.clone(),
            },
            rows(),
            out.clone(),
        );
        let sorted = (
            float(vec![e.clone(), 2.into()]),
            Data::float(&[4, 2], &[1.0, 2.0, 7.0, 8.0, -3.0, 4.0, 5.0, -6.0]),
        );
        let ptr = (int(vec![&n + &k1]), Data::int(&[5], &[0, 2, 2, 4, 4]));
        all.add(
            segment,
            GraphOp::SegmentReduce { reduce },
            vec![sorted, ptr],
            vec![(wide(), out)],
        );
    }
    let no_edges = vec![
        (float(vec![e.clone(), 2.into()]), Data::float(&[0, 2], &[])),
        (columns.clone(), Data::int(&[0], &[])),
    ];
    all.add(
        "scatter_max_empty",
        GraphOp::Scatter {
            reduce: Reduce::Max,
            size: 2.into(),
        },
        no_edges.clone(),
        vec![(
            float(vec![2.into(), 2.into()]),
            Data::float(&[2, 2], &[0.0; 4]),
        )],
    );
    all.add(
        "segment_softmax_empty",
        GraphOp::SegmentSoftmax { size: 2.into() },
        no_edges,
        vec![(float(vec![e.clone(), 2.into()]), Data::float(&[0, 2], &[]))],
    );
    all.add(
        "scatter_vector",
        GraphOp::Scatter {
            reduce: Reduce::Mean,
            size: 3.into(),
        },
        vec![
            (
                float(vec![e.clone()]),
                Data::float(&[4], &[1.0, 2.0, 3.0, 4.0]),
            ),
            (columns.clone(), Data::int(&[4], &[0, 0, 2, 2])),
        ],
        vec![(float(vec![3.into()]), Data::float(&[3], &[1.5, 0.0, 3.5]))],
    );
    all.add(
        "scatter_heads",
        GraphOp::Scatter {
            reduce: Reduce::Max,
            size: 2.into(),
        },
        vec![
            (
                float(vec![e.clone(), 2.into(), 1.into()]),
                Data::float(&[4, 2, 1], &[1.0, 2.0, -3.0, 4.0, 5.0, -6.0, 7.0, 8.0]),
            ),
            (columns.clone(), Data::int(&[4], &[0, 1, 1, 0])),
        ],
        vec![(
            float(vec![2.into(), 2.into(), 1.into()]),
            Data::float(&[2, 2, 1], &[7.0, 8.0, 5.0, 4.0]),
        )],
    );
    let (a, b) = (0.268_941_43, 0.731_058_6);
    all.add(
        "segment_softmax",
        GraphOp::SegmentSoftmax { size: 3.into() },
        vec![
            (
                float(vec![e.clone(), 1.into()]),
                Data::float(&[4, 1], &[1.0, 2.0, 0.0, 5.0]),
            ),
            (columns.clone(), Data::int(&[4], &[0, 0, 2, 1])),
        ],
        vec![(
            float(vec![e.clone(), 1.into()]),
            Data::float(&[4, 1], &[a, b, 1.0, 1.0]),
        )],
    );

    let src = || (columns.clone(), Data::int(&[4], &[0, 1, 2, 0]));
    let dst = || (columns.clone(), Data::int(&[4], &[0, 2, 2, 0]));
    let weights = || {
        (
            float(vec![e.clone()]),
            Data::float(&[4], &[1.0, 2.0, -1.0, 3.0]),
        )
    };
    for (reduce, plain, weighted, csr, csr_weighted, out, out_weighted) in [
        (
            Reduce::Sum,
            "spmm_sum",
            "spmm_sum_weighted",
            "spmm_csr_sum",
            "spmm_csr_sum_weighted",
            [2.0, -4.0, 0.0, 0.0, -2.0, 10.0],
            [4.0, -8.0, 0.0, 0.0, 11.0, 2.0],
        ),
        (
            Reduce::Mean,
            "spmm_mean",
            "spmm_mean_weighted",
            "spmm_csr_mean",
            "spmm_csr_mean_weighted",
            [1.0, -2.0, 0.0, 0.0, -1.0, 5.0],
            [2.0, -4.0, 0.0, 0.0, 5.5, 1.0],
        ),
        (
            Reduce::Max,
            "spmm_max",
            "spmm_max_weighted",
            "spmm_csr_max",
            "spmm_csr_max_weighted",
            [1.0, -2.0, 0.0, 0.0, 3.0, 6.0],
            [3.0, -2.0, 0.0, 0.0, 6.0, 8.0],
        ),
        (
            Reduce::Min,
            "spmm_min",
            "spmm_min_weighted",
            "spmm_csr_min",
            "spmm_csr_min_weighted",
            [1.0, -2.0, 0.0, 0.0, -5.0, 4.0],
            [1.0, -6.0, 0.0, 0.0, 5.0, -6.0],
        ),
        (
            Reduce::Mul,
            "spmm_mul",
            "spmm_mul_weighted",
            "spmm_csr_mul",
            "spmm_csr_mul_weighted",
            [1.0, 4.0, 1.0, 1.0, -15.0, 24.0],
            [3.0, 12.0, 1.0, 1.0, 30.0, -48.0],
        ),
    ] {
        let (out, out_weighted) = (
            Data::float(&[3, 2], &out),
            Data::float(&[3, 2], &out_weighted),
        );
        let op = GraphOp::Spmm {
            reduce,
            size: n.clone(),
        };
        all.add(
            plain,
            op.clone(),
            vec![nodes(), src(), dst()],
            vec![(wide(), out.clone())],
        );
        all.add(
            weighted,
            op,
            vec![nodes(), src(), dst(), weights()],
            vec![(wide(), out_weighted.clone())],
        );
        let rowptr = || (int(vec![&n + &k1]), Data::int(&[4], &[0, 2, 2, 4]));
        let col = || (columns.clone(), Data::int(&[4], &[0, 0, 1, 2]));
        let value = || {
            (
                float(vec![e.clone()]),
                Data::float(&[4], &[1.0, 3.0, 2.0, -1.0]),
            )
        };
        all.add(
            csr,
            GraphOp::SpmmCsr { reduce },
            vec![nodes(), rowptr(), col()],
            vec![(wide(), out)],
        );
        all.add(
            csr_weighted,
            GraphOp::SpmmCsr { reduce },
            vec![nodes(), rowptr(), col(), value()],
            vec![(wide(), out_weighted)],
        );
    }
    all.add(
        "degree",
        GraphOp::Degree {
            size: 3.into(),
            elem: ElemType::F32,
        },
        vec![dst()],
        vec![(float(vec![3.into()]), Data::float(&[3], &[2.0, 0.0, 2.0]))],
    );
    all.add(
        "ptr_to_index",
        GraphOp::PtrToIndex { entries: 4.into() },
        vec![(int(vec![&n + &k1]), Data::int(&[4], &[0, 2, 2, 4]))],
        vec![(int(vec![4.into()]), Data::int(&[4], &[0, 0, 2, 2]))],
    );
    all.add(
        "coo_to_csr",
        GraphOp::CooToCsr { size: 3.into() },
        vec![(columns.clone(), Data::int(&[4], &[2, 0, 2, 0]))],
        vec![
            (int(vec![4.into()]), Data::int(&[4], &[0, 2, 2, 4])),
            (columns.clone(), Data::int(&[4], &[1, 3, 0, 2])),
        ],
    );
    all.add(
        "nonzero",
        GraphOp::Nonzero,
        vec![(mask, bits)],
        vec![(int(vec![k]), Data::int(&[2], &[1, 2]))],
    );
    all.add(
        "self_loop_position",
        GraphOp::SelfLoopPosition { size: 4.into() },
        vec![src(), dst()],
        vec![(int(vec![4.into()]), Data::int(&[4], &[3, 4, 2, 4]))],
    );
    looped(all);
    many(all);
}

/// Adds reductions of more rows than floats of 16 bits can count, and add up.
fn many(all: &mut Operations) {
    const ROWS: usize = 70_000;
    let columns = int(vec![all.e.clone()]);
    let to_0 = || (columns.clone(), Data::int(&[ROWS], &vec![0; ROWS]));
    let to_1 = || (columns.clone(), Data::int(&[ROWS], &vec![1; ROWS]));
    let ones = (
        float(vec![all.e.clone()]),
        Data::float(&[ROWS], &vec![1.0; ROWS]),
    );
    let pair = |values: &[f32; 2]| (float(vec![2.into()]), Data::float(&[2], values));
    all.add(
        "scatter_mean_many",
        GraphOp::Scatter {
            reduce: Reduce::Mean,
            size: 2.into(),
        },
        vec![ones, to_0()],
        vec![pair(&[1.0, 0.0])],
    );
    all.add(
        "inverse_sqrt_degree_many",
        GraphOp::InverseSqrtDegree {
            self_loop: None,
            size: 2.into(),
            elem: ElemType::F32,
        },
        vec![to_0(), to_1()],
        vec![pair(&[0.0, 70_000_f32.sqrt().recip()])],
    );
}

/// Adds the operations in which edges from a node to itself give way to loops: 0 → 0 twice, and 2
/// → 2.
fn looped(all: &mut Operations) {
    let (n, e) = (all.n.clone(), all.e.clone());
    let columns = int(vec![e.clone()]);
    let src = || (columns.clone(), Data::int(&[4], &[0, 1, 2, 0]));
    let dst = || (columns.clone(), Data::int(&[4], &[0, 2, 2, 0]));
    let wide = || float(vec![n.clone(), 2.into()]);
    let nodes = |values: &[f32; 6]| (wide(), Data::float(&[3, 2], values));
    let of_nodes = |values: &[f32; 3]| (float(vec![n.clone()]), Data::float(&[3], values));
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let x = [1.0, -2.0, 3.0, 4.0, -5.0, 6.0];
    // What gives way is not read: infinity stays infinite.
    let x_inf = [1.0, -2.0, 3.0, 4.0, inf, 6.0];

    let scale = || of_nodes(&[0.5, 2.0, 1.0]);
    let with_loops = Some(Float(2.0));
    for (name, self_loop, x, out) in [
        ("spmm_normalized", None, x, [0.5, -1.0, 0.0, 0.0, 1.0, 14.0]),
        (
            "spmm_normalized_loops",
            with_loops,
            x,
            [0.5, -1.0, 24.0, 32.0, -4.0, 20.0],
        ),
        (
            "spmm_normalized_loops_inf",
            with_loops,
            x_inf,
            [0.5, -1.0, 24.0, 32.0, inf, 20.0],
        ),
    ] {
        all.add(
            name,
            GraphOp::SpmmNormalized { self_loop },
            vec![nodes(&x), src(), dst(), scale()],
            vec![nodes(&out)],
        );
    }
    let weights = Data::float(&[4], &[nan, 2.0, nan, 3.0]);
    for (name, x, out) in [
        ("spmm_with_loops", x, [1.0, -2.0, 1.5, 2.0, -4.0, 20.0]),
        (
            "spmm_with_loops_inf",
            x_inf,
            [1.0, -2.0, 1.5, 2.0, inf, 20.0],
        ),
    ] {
        let weights = (float(vec![e.clone()]), weights.clone());
        let loops = of_nodes(&[1.0, 0.5, 2.0]);
        all.add(
            name,
            GraphOp::SpmmWithLoops,
            vec![nodes(&x), src(), dst(), weights, loops],
            vec![nodes(&out)],
        );
    }
    let root = 0.5_f32.sqrt();
    for (name, self_loop, out) in [
        ("inverse_sqrt_degree", None, [root, 0.0, root]),
        (
            "inverse_sqrt_degree_loops",
            Some(Float(1.0)),
            [1.0, 1.0, root],
        ),
    ] {
        all.add(
            name,
            GraphOp::InverseSqrtDegree {
                self_loop,
                size: 3.into(),
                elem: ElemType::F32,
            },
            vec![src(), dst()],
            vec![(float(vec![3.into()]), Data::float(&[3], &out))],
        );
    }

    // The softmax of 1 and -0.2, the scores of the edges to node 2.
    let (of_1, of_2) = (0.768_524_8, 0.231_475_22);
    let last = [3.0 * of_1 - 5.0 * of_2, 4.0 * of_1 + 6.0 * of_2];
    let heads = |rows: Size| float(vec![rows, 1.into(), 2.into()]);
    for (name, self_loops, size, rows, out) in [
        (
            "edge_attention",
            false,
            n.clone(),
            3,
            vec![1.0, -2.0, 0.0, 0.0, last[0], last[1]],
        ),
        (
            "edge_attention_loops",
            true,
            n.clone(),
            3,
            vec![1.0, -2.0, 3.0, 4.0, last[0], last[1]],
        ),
        (
            "edge_attention_pair",
            true,
            4.into(),
            4,
            vec![1.0, -2.0, 3.0, 4.0, last[0], last[1], 0.0, 0.0],
        ),
    ] {
        let scores = |rows: Size| float(vec![rows, 1.into()]);
        let inputs = vec![
            (heads(n.clone()), Data::float(&[3, 1, 2], &x)),
            src(),
            dst(),
            (scores(n.clone()), Data::float(&[3, 1], &[0.0, 1.0, -1.0])),
            (
                scores(size.clone()),
                Data::float(&[rows, 1], &vec![0.0; rows]),
            ),
        ];
        all.add(
            name,
            GraphOp::EdgeAttention {
                slope: Float(0.2),
                self_loops,
                dropout: Float(0.0),
                size: size.clone(),
            },
            inputs,
            vec![(heads(size), Data::float(&[rows, 1, 2], &out))],
        );
    }
}
