//! A layer of a user's own: a message that no built-in form covers.

use burn::{
    module::Module,
    tensor::{Tensor, activation::relu},
};
use kiln_core::{ConvArgs, EdgeIndex, Edges, Signatures};
use kiln_nn::{
    Linear, LinearConfig,
    aggr::{Aggregation, Reduce},
    message_passing::{Endpoints, Message, MessagePassing, WithAttr},
    prelude::*,
};

/// `x_i' = max over j of relu(W (x_j - x_i) + w_e e_ji)`
#[derive(Module, Debug)]
struct EdgeDifference {
    lin: Linear,
    lin_edge: Linear,
}

impl Layer for EdgeDifference {
    const NAME: &'static str = "EdgeDifference";

    type Config = ();
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.lin.in_channels()).edge_attr(self.lin_edge.in_channels())
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let mut args = WithAttr::new(self.lin.forward(x), &edges);
        args.edge_attr = args.edge_attr.map(|attr| self.lin_edge.forward(attr));
        self.propagate(&edges, args)
    }
}

impl MessagePassing for EdgeDifference {
    type Propagated = WithAttr;

    fn message(&self, args: &WithAttr, ends: &Endpoints) -> Message {
        let difference = ends.lift_j(args.x.clone()) - ends.lift_i(args.x.clone());
        Message::Edge(relu(match &args.edge_attr {
            Some(edge_attr) => difference + edge_attr.clone(),
            None => difference,
        }))
    }

    fn aggregation(&self) -> Aggregation {
        Reduce::Max.into()
    }
}

#[test]
fn computes_its_formula_in_both_forms() {
    let device = crate::device();
    let map = |factor: f32| {
        let mut lin = LinearConfig::new(1, 1).with_bias(false).init(&device);
        let weight = lin.weight.clone();
        lin.weight = weight.map(|_| Tensor::from_floats([[factor]], &device));
        lin
    };
    let layer = EdgeDifference {
        lin: map(2.0),
        lin_edge: map(1.0),
    };
    let edges = EdgeIndex::from_arrays(&[1, 2, 0], &[0, 0, 2], 3, 3, &device).unwrap();
    let x = Tensor::<2>::from_floats([[1.0], [3.0], [2.0]], &device);
    let edge_attr = Tensor::<2>::from_floats([[0.5], [4.0], [-9.0]], &device);
    let out = layer.forward(x.clone(), Edges::from(&edges).with_attr(edge_attr.clone()));
    // Node 0: max(2·2 + 0.5, 2·1 + 4); node 1: no message; node 2: relu(-2 - 9).
    let expected: Vec<f32> = vec![6.0, 0.0, 0.0];
    assert_eq!(out.into_data().try_to_vec::<f32>().unwrap(), expected);

    let (adjacency, order) = kiln_ops::to_adjacency(&edges, None);
    let edge_attr = kiln_ops::gather(edge_attr, order);
    let out = layer.forward(x, Edges::from(&adjacency).with_attr(edge_attr));
    assert_eq!(out.into_data().try_to_vec::<f32>().unwrap(), expected);
}
