//! Aggregations by a recurrent network.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};

use super::{
    elements::Elements,
    layer::{Combine, aggregation_layers},
};
use crate::{
    config::{ConfigError, LayerConfig},
    rnn::{Rnn, RnnConfig, RnnKind},
};

macro_rules! recurrent {
    ($(#[$doc:meta])+ $layer:ident: $config:ident, $field:ident, $kind:ident, $class:literal $(,)?) => {
        #[doc = concat!("Configuration of an [`", stringify!($layer), "`].")]
        #[derive(Config, Debug, PartialEq)]
        pub struct $config {
            /// Width of the elements.
            pub in_channels: usize,
            /// Width of the state.
            pub out_channels: usize,
            /// Number of recurrent layers.
            #[config(default = 1)]
            pub num_layers: usize,
            /// Whether the layers have biases.
            #[config(default = true)]
            pub bias: bool,
            /// Probability with which the outputs of each layer but the last are dropped while
            /// training.
            #[config(default = 0.0)]
            pub dropout: f64,
            /// Whether each layer reads the elements from the last one too.
            #[config(default = false)]
            pub bidirectional: bool,
        }

        impl $config {
            fn network(&self) -> RnnConfig {
                RnnConfig {
                    input_size: self.in_channels,
                    hidden_size: self.out_channels,
                    num_layers: self.num_layers,
                    bias: self.bias,
                    dropout: self.dropout,
                    bidirectional: self.bidirectional,
                }
            }
        }

        impl LayerConfig for $config {
            type Layer = $layer;

            fn blank() -> Self {
                Self::new(0, 0)
            }

            fn check(&self) -> Result<(), ConfigError> {
                self.network().check()
            }

            fn make(&self, device: &Device) -> $layer {
                $layer {
                    $field: self.network().init(RnnKind::$kind, device),
                    config: self.clone(),
                }
            }
        }

        $(#[$doc])+
        ///
        #[doc = concat!("Matches `torch_geometric.nn.", $class, "` (2.8). Departs: elements")]
        /// need not be sorted by set, they are taken as they stand; without any element each set
        /// has one of zeros (PyG has no result); states are as wide as outputs (PyTorch's
        /// `proj_size` is 0).
        ///
        /// # Shapes
        /// messages: `[E, F]` · output: `[n, out_channels]`, or twice as wide in both directions
        ///
        /// # Numerics
        /// As in PyG, a set is followed by zeros up to the number of elements of the largest set,
        /// and the network reads these too. So the result depends on the order of the elements and
        /// on the largest set. Of the last layer of a bidirectional network, the direction that
        /// starts at the end takes one step, since the others have no effect on its last output.
        #[derive(Module, Debug)]
        pub struct $layer {
            /// The recurrent network.
            pub $field: Rnn,
            /// What the aggregation was made from.
            #[module(skip)]
            pub config: $config,
        }

        impl Combine for $layer {
            fn input(&self) -> Option<usize> {
                Some(self.config.in_channels)
            }

            fn width(&self, _element: usize) -> usize {
                self.config.network().width()
            }

            fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
                let (x, _) = elements.dense();
                self.$field.last(x.swap_dims(0, 1))
            }
        }

        aggregation_layers!($layer($config, $class));
    };
}

recurrent!(
    /// Reads the elements of a set as a sequence by a long short-term memory and takes its last
    /// output.
    ///
    /// Source: Hamilton, Ying, Leskovec, Inductive Representation Learning on Large Graphs, 2017,
    /// arXiv:1706.02216.
    LstmAggregation: LstmAggregationConfig, lstm, Lstm, "LSTMAggregation",
);

recurrent!(
    /// Reads the elements of a set as a sequence by a gated recurrent unit and takes its last
    /// output.
    ///
    /// Source: Buterez et al., Graph Neural Networks with Adaptive Readouts, 2022,
    /// arXiv:2211.04952.
    GruAggregation: GruAggregationConfig, gru, Gru, "GRUAggregation",
);
