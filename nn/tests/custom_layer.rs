//! A layer of a user's own: a message that no built-in form covers.

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Tensor, activation::relu},
};
use kiln_core::{EdgeIndex, Edges, leaves};
use kiln_nn::{
    aggr::{Aggregation, Reduce},
    message_passing::{Endpoints, Message, MessagePassing},
};

/// `x_i' = max over j of relu(W (x_j - x_i) + w_e e_ji)`
#[derive(Module, Debug)]
struct EdgeDifference {
    lin: Linear,
    lin_edge: Linear,
}

#[derive(Clone)]
struct Args {
    x: Tensor<2>,
    edge_attr: Tensor<2>,
}

leaves!(Args { x, edge_attr });

impl EdgeDifference {
    fn forward(&self, x: Tensor<2>, edges: impl Into<Edges>, edge_attr: Tensor<2>) -> Tensor<2> {
        let x = self.lin.forward(x);
        let edge_attr = self.lin_edge.forward(edge_attr);
        self.propagate(edges, Args { x, edge_attr })
    }
}

impl MessagePassing for EdgeDifference {
    type Args = Args;
    const KIND: &'static str = "EdgeDifference";

    fn message(&self, args: &Args, ends: &Endpoints) -> Message {
        let difference = ends.lift_j(args.x.clone()) - ends.lift_i(args.x.clone());
        Message::Edge(relu(difference + args.edge_attr.clone()))
    }

    fn aggregation(&self) -> Aggregation {
        Reduce::Max.into()
    }
}

#[test]
fn computes_its_formula_in_both_forms() {
    let device = crate::device();
    let mut layer = EdgeDifference {
        lin: LinearConfig::new(1, 1).with_bias(false).init(&device),
        lin_edge: LinearConfig::new(1, 1).with_bias(false).init(&device),
    };
    layer.lin.weight = layer
        .lin
        .weight
        .map(|_| Tensor::from_floats([[2.0]], &device));
    layer.lin_edge.weight = layer
        .lin_edge
        .weight
        .map(|_| Tensor::from_floats([[1.0]], &device));

    let edges = EdgeIndex::from_arrays(&[1, 2, 0], &[0, 0, 2], 3, 3, &device).unwrap();
    let x = Tensor::<2>::from_floats([[1.0], [3.0], [2.0]], &device);
    let edge_attr = Tensor::<2>::from_floats([[0.5], [4.0], [-9.0]], &device);
    let out = layer.forward(x.clone(), &edges, edge_attr.clone());
    // Node 0: max(2·2 + 0.5, 2·1 + 4); node 1: no message; node 2: relu(-2 - 9).
    let expected: Vec<f32> = vec![6.0, 0.0, 0.0];
    assert_eq!(out.into_data().try_to_vec::<f32>().unwrap(), expected);

    let (adjacency, order) = kiln_ops::to_adjacency(&edges, None);
    let out = layer.forward(x, &adjacency, kiln_ops::gather(edge_attr, order));
    assert_eq!(out.into_data().try_to_vec::<f32>().unwrap(), expected);
}
