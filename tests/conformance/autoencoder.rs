//! A variational autoencoder is drawn from while it trains, and recorded with its means.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use kiln::ir::{Recorder, Session, edge_index, tensor};
use kiln_core::{AnyTensor, ConvArgs, EdgeIndex, Signatures};
use kiln_nn::{models::Vgae, prelude::*};

/// Means and logarithms of standard deviations by one convolution each.
#[derive(Module, Debug)]
struct Encoder {
    mu: GcnConv,
    logstd: GcnConv,
}

impl Layer for Encoder {
    const NAME: &'static str = "Encoder";

    type Config = ();
    type Args = ConvArgs;
    type Output = (Tensor<2>, Tensor<2>);

    fn signatures(&self) -> Signatures {
        self.mu.signatures()
    }

    fn compute(&self, args: ConvArgs) -> Self::Output {
        (self.mu.call(args.clone()), self.logstd.call(args))
    }
}

fn model(device: &Device) -> Vgae<Encoder> {
    let conv = || GcnConvConfig::new(3, 2).init(device);
    let (mu, logstd) = (conv(), conv());
    Vgae::new(Encoder { mu, logstd })
}

fn close(a: Tensor<2>, b: Tensor<2>) -> bool {
    (a - b).abs().max().into_scalar::<f32>() < 1e-6
}

#[test]
fn embeddings_are_means_but_while_training() {
    let device = Device::flex();
    let edges = EdgeIndex::from_arrays(&[0, 1, 2], &[1, 2, 0], 3, 3, &device).unwrap();
    let x = Tensor::<2>::from_floats([[1.0, 2.0, 3.0], [0.0, 1.0, 0.5], [2.0, 0.0, 1.0]], &device);
    let vgae = model(&device.clone().autodiff());
    let drawn = vgae.encode(x.clone(), &edges);
    assert!(!close(drawn.z, drawn.mu));
    let vgae = vgae.valid();
    let encoded = vgae.encode(x.clone(), &edges);
    assert!(close(encoded.z, encoded.mu.clone()));

    let inputs = (tensor!(f32["N", 3]), edge_index!("N", "E"));
    let recorded = Recorder::new(&vgae)
        .overload("forward", inputs, |vgae: &Vgae<Encoder>, (x, edges)| {
            vgae.encode(x, &edges).z
        })
        .finish()
        .unwrap();
    let inputs: BTreeMap<String, AnyTensor> = BTreeMap::from([
        ("x".to_owned(), x.into()),
        ("edge_index".to_owned(), edges.tensor().into()),
    ]);
    let session = Session::new(&recorded, &device).unwrap();
    let (_, z) = session.run("forward", inputs).unwrap().remove(0);
    assert!(close(z.float(), encoded.mu));
}
