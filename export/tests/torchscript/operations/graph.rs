//! Message passing.

use kiln_ir::{ElemType, Op, Reduce, Size};

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
        Op::Gather,
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
            Op::Scatter {
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
            Op::SegmentReduce(reduce),
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
        Op::Scatter {
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
        Op::SegmentSoftmax { size: 2.into() },
        no_edges,
        vec![(float(vec![e.clone(), 2.into()]), Data::float(&[0, 2], &[]))],
    );
    all.add(
        "scatter_vector",
        Op::Scatter {
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
        Op::Scatter {
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
        Op::SegmentSoftmax { size: 3.into() },
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
        let op = Op::Spmm {
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
            Op::SpmmCsr { reduce },
            vec![nodes(), rowptr(), col()],
            vec![(wide(), out)],
        );
        all.add(
            csr_weighted,
            Op::SpmmCsr { reduce },
            vec![nodes(), rowptr(), col(), value()],
            vec![(wide(), out_weighted)],
        );
    }
    all.add(
        "degree",
        Op::Degree {
            size: 3.into(),
            elem: ElemType::F32,
        },
        vec![dst()],
        vec![(float(vec![3.into()]), Data::float(&[3], &[2.0, 0.0, 2.0]))],
    );
    all.add(
        "ptr_to_index",
        Op::PtrToIndex { entries: 4.into() },
        vec![(int(vec![&n + &k1]), Data::int(&[4], &[0, 2, 2, 4]))],
        vec![(int(vec![4.into()]), Data::int(&[4], &[0, 0, 2, 2]))],
    );
    all.add(
        "coo_to_csr",
        Op::CooToCsr { size: 3.into() },
        vec![(columns.clone(), Data::int(&[4], &[2, 0, 2, 0]))],
        vec![
            (int(vec![4.into()]), Data::int(&[4], &[0, 2, 2, 4])),
            (columns.clone(), Data::int(&[4], &[1, 3, 0, 2])),
        ],
    );
    all.add(
        "nonzero",
        Op::Nonzero,
        vec![(mask, bits)],
        vec![(int(vec![k]), Data::int(&[2], &[1, 2]))],
    );
    all.add(
        "self_loop_position",
        Op::SelfLoopPosition { size: 4.into() },
        vec![src(), dst()],
        vec![(int(vec![4.into()]), Data::int(&[4], &[3, 4, 2, 4]))],
    );
}
