//! Graph autoencoders: embeddings of nodes from which edges can be told.

use burn::{
    module::Module,
    tensor::{Distribution, Tensor},
};
use kiln_core::{ConvArgs, EdgeIndex, Edges, Flow, Nodes};
use kiln_ops::{Endpoints, Layer, clamp, edge_dot, matmul, sigmoid};

/// Keeps logarithms finite.
const EPS: f64 = 1e-15;

/// The largest logarithm of a standard deviation.
const MAX_LOGSTD: f64 = 10.0;

/// Probabilities of edges from inner products of embeddings.
///
/// ```text
/// p_ij = σ( z_i · z_j )
/// ```
///
/// Matches `torch_geometric.nn.models.InnerProductDecoder` (2.8) with `sigmoid=True`.
#[derive(Clone, Copy, Debug, Default)]
pub struct InnerProductDecoder;

impl InnerProductDecoder {
    /// The probability of each edge.
    ///
    /// # Shapes
    /// z: `[N, F]` · edges: `E` among `N` nodes · output: `[E]`
    ///
    /// # Panics
    /// If there is not one embedding per node.
    pub fn forward(self, z: Tensor<2>, edges: &EdgeIndex) -> Tensor<1> {
        let ends = Endpoints::new(edges, Flow::default());
        let z = z.unsqueeze_dim::<3>(1);
        sigmoid(edge_dot(z.clone(), z, &ends).squeeze_dim(1))
    }

    /// The probability of every pair of nodes.
    ///
    /// # Shapes
    /// z: `[N, F]` · output: `[N, N]`
    pub fn forward_all(self, z: Tensor<2>) -> Tensor<2> {
        sigmoid(matmul(z.clone(), z.transpose()))
    }

    /// How badly edges and pairs without an edge are told apart.
    ///
    /// ```text
    /// loss = - mean_{ij ∈ positive} log( p_ij + 1e-15 ) - mean_{ij ∈ negative} log( 1 - p_ij + 1e-15 )
    /// ```
    ///
    /// # Shapes
    /// z: `[N, F]` · positive, negative: pairs of the `N` nodes · output: `[1]`
    ///
    /// # Panics
    /// If there is not one embedding per node.
    pub fn loss(self, z: &Tensor<2>, positive: &EdgeIndex, negative: &EdgeIndex) -> Tensor<1> {
        let there = self.forward(z.clone(), positive);
        let absent = self.forward(z.clone(), negative);
        let there = there.add_scalar(EPS).log().mean();
        let absent = absent.neg().add_scalar(1.0).add_scalar(EPS).log().mean();
        -(there + absent)
    }
}

/// What autoencoders of graphs share: the decoder.
pub trait Autoencoder {
    /// The probability of each edge: see [`InnerProductDecoder::forward`].
    fn decode(&self, z: Tensor<2>, edges: &EdgeIndex) -> Tensor<1> {
        InnerProductDecoder.forward(z, edges)
    }

    /// How badly edges are told from pairs without one: see [`InnerProductDecoder::loss`].
    fn recon_loss(&self, z: &Tensor<2>, positive: &EdgeIndex, negative: &EdgeIndex) -> Tensor<1> {
        InnerProductDecoder.loss(z, positive, negative)
    }
}

/// A graph autoencoder: an encoder of nodes, and the inner product as decoder of edges.
///
/// ```text
/// z = encoder(x, edges)
/// p_ij = σ( z_i · z_j )
/// ```
///
/// Source: Kipf, Welling, Variational Graph Auto-Encoders, 2016, arXiv:1611.07308. Matches
/// `torch_geometric.nn.GAE` (2.8). Departs: pairs without an edge are an argument of the loss; draw
/// them by [`negative_sampling`](crate::utils::negative_sampling).
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::{models::{Autoencoder as _, Gae, GcnConfig}, prelude::*, utils::negative_sampling};
///
/// let device = Device::flex();
/// let gae = Gae::new(GcnConfig::new(3, 16, 2).with_out_channels(4).init(&device));
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 3, 3, &device).unwrap();
/// let z = gae.encode(Tensor::<2>::ones([3, 3], &device), &edges);
/// assert_eq!(gae.decode(z.clone(), &edges).dims(), [2]);
/// let loss = gae.recon_loss(&z, &edges, &negative_sampling(&edges, 2, 0));
/// assert!(loss.into_scalar::<f32>() > 0.0);
/// ```
#[derive(Module, Debug)]
pub struct Gae<E: Module> {
    /// The encoder.
    pub encoder: E,
}

impl<E: Module> Gae<E> {
    /// An autoencoder of an encoder.
    pub fn new(encoder: E) -> Self {
        Self { encoder }
    }
}

impl<E: Module> Autoencoder for Gae<E> {}

impl<E: Layer<Args: From<ConvArgs>, Output = Tensor<2>>> Gae<E> {
    /// The embedding of each node.
    ///
    /// # Panics
    /// As the encoder does.
    pub fn encode(&self, x: impl Into<Nodes>, edges: impl Into<Edges>) -> Tensor<2> {
        self.encoder.call(ConvArgs::from((x, edges)))
    }
}

/// What a [`Vgae`] makes of each node.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The embeddings, `[N, F]`: drawn while training, the means otherwise.
    pub z: Tensor<2>,
    /// Their means, `[N, F]`.
    pub mu: Tensor<2>,
    /// Logarithms of their standard deviations, `[N, F]`, at most 10.
    pub logstd: Tensor<2>,
}

impl Encoded {
    /// How far the distributions are from the standard normal one, averaged over the nodes.
    ///
    /// ```text
    /// loss = - 1/2 mean_i Σ_f ( 1 + 2 logstd_if - mu_if² - exp(logstd_if)² )
    /// ```
    ///
    /// # Shapes
    /// output: `[1]`
    pub fn kl_loss(&self) -> Tensor<1> {
        let (mu, logstd) = (self.mu.clone(), self.logstd.clone());
        let std = logstd.clone().exp();
        let terms = logstd * 2.0 + 1.0 - mu.clone() * mu - std.clone() * std;
        terms.sum_dim(1).mean() * -0.5
    }
}

/// A variational graph autoencoder: its encoder gives each node a normal distribution.
///
/// ```text
/// mu, logstd = encoder(x, edges)
/// z = mu + ε ⊙ exp( min(logstd, 10) ),   ε ~ N(0, 1)   while training
/// z = mu                                               otherwise
/// ```
///
/// Source: Kipf, Welling, Variational Graph Auto-Encoders, 2016, arXiv:1611.07308. Matches
/// `torch_geometric.nn.VGAE` (2.8). It trains on autodiff devices, as
/// [`Dropout`](crate::Dropout) does; a recording has the means.
#[derive(Module, Debug)]
pub struct Vgae<E: Module> {
    /// The encoder, with two results.
    pub encoder: E,
}

impl<E: Module> Vgae<E> {
    /// An autoencoder of an encoder with two results.
    pub fn new(encoder: E) -> Self {
        Self { encoder }
    }
}

impl<E: Module> Autoencoder for Vgae<E> {}

impl<E: Layer<Args: From<ConvArgs>, Output = (Tensor<2>, Tensor<2>)>> Vgae<E> {
    /// The distribution of each node, and an embedding.
    ///
    /// # Panics
    /// As the encoder does.
    pub fn encode(&self, x: impl Into<Nodes>, edges: impl Into<Edges>) -> Encoded {
        let (mu, logstd) = self.encoder.call(ConvArgs::from((x, edges)));
        let logstd = clamp(logstd, None, Some(MAX_LOGSTD));
        let z = if mu.device().is_autodiff() {
            let noise = mu.random_like(Distribution::Normal(0.0, 1.0));
            mu.clone() + noise * logstd.clone().exp()
        } else {
            mu.clone()
        };
        Encoded { z, mu, logstd }
    }
}

/// Numbers are those of PyG 2.8.1.
#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData, Tolerance};

    use super::*;

    fn close<const D: usize>(got: Tensor<D>, expected: impl Into<TensorData>) {
        let tolerance = Tolerance::<f32>::absolute(1e-5);
        got.into_data()
            .assert_approx_eq(&expected.into(), tolerance);
    }

    fn embeddings(device: &Device) -> Tensor<2> {
        Tensor::from_floats([[1.0, 0.5], [-0.25, 2.0], [0.0, -1.0]], device)
    }

    #[test]
    fn decodes_and_trains_as_pyg() {
        let device = Device::flex().autodiff();
        let z = embeddings(&device).require_grad();
        let pairs =
            |src: &[i64], dst: &[i64]| EdgeIndex::from_arrays(src, dst, 3, 3, &device).unwrap();
        let (positive, negative) = (pairs(&[0, 1], &[1, 2]), pairs(&[2, 0], &[0, 0]));
        close(
            InnerProductDecoder.forward(z.clone(), &positive),
            [0.679_178_7, 0.119_202_9],
        );
        close(
            InnerProductDecoder.forward_all(z.clone()),
            [
                [0.777_299_9, 0.679_178_7, 0.377_540_7],
                [0.679_178_7, 0.983_085_1, 0.119_202_9],
                [0.377_540_7, 0.119_202_9, 0.731_058_6],
            ],
        );
        let loss = InnerProductDecoder.loss(&z, &positive, &negative);
        close(loss.clone(), [2.244_902_6]);
        close(
            z.grad(&loss.backward()).unwrap(),
            [
                [0.817_402_5, -0.120_941_7],
                [-0.160_410_7, 0.360_193_2],
                [0.298_870_0, -0.786_411_9],
            ],
        );
    }

    #[test]
    fn divergence_is_that_of_pyg() {
        let device = Device::flex();
        let logstd = Tensor::from_floats([[0.1, -0.5], [11.0, 0.0], [0.3, 0.2]], &device);
        let mu = embeddings(&device);
        let encoded = Encoded {
            z: mu.clone(),
            mu,
            logstd: clamp(logstd, None, Some(MAX_LOGSTD)),
        };
        let relative = encoded.kl_loss().into_scalar::<f32>() / 80_860_856.0;
        assert!((relative - 1.0).abs() < 1e-6, "{relative}");
    }
}
