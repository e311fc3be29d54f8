//! The list of all layers and models, and what works on any of them.
//!
//! A layer in [`for_each_layer`] can be made from PyG's name and arguments, is part of
//! [`AnyLayer`], reads the checkpoints of earlier releases, and is tested beside PyG.

use burn::{
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    },
    tensor::Device,
};
use kiln_core::{Arguments as _, Change, Flow, Named, Signatures};
use kiln_ops::{Layer, Overload, Overloads};
use serde_json::{Map, Value};

use crate::{
    aggr,
    arguments::{BuildError, config},
    config::LayerConfig,
    conv, dense, models, norm, pool,
    transparent::transparent_module,
};

/// Calls a macro with the path of each layer and model, relative to this crate.
///
/// ```
/// macro_rules! count {
///     ($($place:ident :: $layer:ident),+ $(,)?) => { [$(stringify!($layer)),+].len() };
/// }
/// assert_eq!(kiln_nn::for_each_layer!(count), kiln_nn::NAMES.len());
/// ```
#[macro_export]
macro_rules! for_each_layer {
    ($callback:ident) => {
        $callback! {
            aggr::AttentionalAggregation,
            aggr::DeepSetsAggregation,
            aggr::DegreeScalerAggregation,
            aggr::EquilibriumAggregation,
            aggr::GraphMultisetTransformer,
            aggr::GruAggregation,
            aggr::LcmAggregation,
            aggr::LstmAggregation,
            aggr::MaxAggregation,
            aggr::MeanAggregation,
            aggr::MedianAggregation,
            aggr::MinAggregation,
            aggr::MlpAggregation,
            aggr::MulAggregation,
            aggr::MultiAggregation,
            aggr::PatchTransformerAggregation,
            aggr::PowerMeanAggregation,
            aggr::QuantileAggregation,
            aggr::Set2Set,
            aggr::SetTransformerAggregation,
            aggr::SoftmaxAggregation,
            aggr::SortAggregation,
            aggr::StdAggregation,
            aggr::SumAggregation,
            aggr::VarAggregation,
            aggr::VariancePreservingAggregation,
            conv::AgnnConv,
            conv::AntiSymmetricConv,
            conv::Appnp,
            conv::ArmaConv,
            conv::CgConv,
            conv::ChebConv,
            conv::ClusterGcnConv,
            conv::DirGnnConv,
            conv::DnaConv,
            conv::EdgeConv,
            conv::EgConv,
            conv::FaConv,
            conv::FastRgcnConv,
            conv::FeaStConv,
            conv::FilmConv,
            conv::GatConv,
            conv::GatedGraphConv,
            conv::Gatv2Conv,
            conv::Gcn2Conv,
            conv::GcnConv,
            conv::GenConv,
            conv::GeneralConv,
            conv::GinConv,
            conv::GineConv,
            conv::GmmConv,
            conv::GpsConv,
            conv::GraphConv,
            conv::HypergraphConv,
            conv::LeConv,
            conv::LgConv,
            conv::MfConv,
            conv::MixHopConv,
            conv::NnConv,
            conv::PanConv,
            conv::PdnConv,
            conv::PnaConv,
            conv::ResGatedGraphConv,
            conv::RgatConv,
            conv::RgcnConv,
            conv::SageConv,
            conv::SgConv,
            conv::SignedConv,
            conv::SimpleConv,
            conv::SsgConv,
            conv::SuperGatConv,
            conv::TagConv,
            conv::TransformerConv,
            conv::WlConvContinuous,
            dense::DenseDiffPool,
            dense::DenseGatConv,
            dense::DenseGcnConv,
            dense::DenseGinConv,
            dense::DenseGraphConv,
            dense::DenseMincutPool,
            dense::DenseSageConv,
            dense::DmonPooling,
            dense::HeteroLinear,
            dense::Linear,
            models::EdgeCnn,
            models::Gcn,
            models::GraphSage,
            models::GraphSequential,
            models::Gat,
            models::Gin,
            models::Mlp,
            models::Pna,
            norm::BatchNorm,
            norm::DiffGroupNorm,
            norm::GraphNorm,
            norm::GraphSizeNorm,
            norm::HeteroBatchNorm,
            norm::HeteroLayerNorm,
            norm::InstanceNorm,
            norm::LayerNorm,
            norm::MeanSubtractionNorm,
            norm::MessageNorm,
            norm::PairNorm,
            pool::AsapPooling,
            pool::EdgePooling,
            pool::MemPooling,
            pool::PanPooling,
            pool::SagPooling,
            pool::TopKPooling,
        }
    };
}

macro_rules! catalog {
    ($($place:ident :: $layer:ident),+ $(,)?) => {
        /// Names of the layers and models that [`from_args`](crate::build::from_args) makes.
        pub const NAMES: &[&str] = &[$(<$place::$layer as Layer>::NAME),+];

        /// Any layer or model.
        #[derive(Clone, Debug)]
        #[expect(clippy::large_enum_variant, reason = "a few per model, and moved as they are made")]
        pub enum AnyModule {
            $(
                #[doc = concat!("[`", stringify!($layer), "`](", stringify!($place), "::", stringify!($layer), ")")]
                $layer($place::$layer),
            )+
        }

        transparent_module!(AnyModule { $(Self::$layer);+ });

        impl AnyModule {
            /// Makes a layer or model from arguments; `None` if there is none of the name.
            pub(crate) fn new(
                name: &str,
                args: &Map<String, Value>,
                device: &Device,
            ) -> Option<Result<Self, BuildError>> {
                $(
                    if name == <$place::$layer as Layer>::NAME {
                        let config = config::<<$place::$layer as Layer>::Config>(name, args);
                        let layer = config.and_then(|config| {
                            config.build(device).map_err(|error| BuildError::value(name, error))
                        });
                        return Some(layer.map(|layer| Self::$layer(layer)));
                    }
                )+
                None
            }

            /// The arguments of a convolution, checked, with the values of those that are left out;
            /// `None` if there is none of the name.
            pub(crate) fn conv_args(
                name: &str,
                args: &Map<String, Value>,
            ) -> Option<Result<Value, BuildError>> {
                $(
                    if stringify!($place) == "conv" && name == <$place::$layer as Layer>::NAME {
                        let config = config::<<$place::$layer as Layer>::Config>(name, args);
                        return Some(config.and_then(|config| {
                            config.check().map_err(|error| BuildError::value(name, error))?;
                            Ok(serde_json::to_value(config).unwrap_or_default())
                        }));
                    }
                )+
                None
            }

            /// The arguments under PyG's names.
            pub(crate) fn signatures(&self) -> Signatures {
                match self { $(Self::$layer(layer) => layer.signatures(),)+ }
            }

            /// The forward pass with values by name.
            pub(crate) fn call(&self, mut values: Named) -> kiln_core::Value {
                match self {
                    $(Self::$layer(layer) => {
                        let args = <<$place::$layer as Layer>::Args>::from_named(&mut values);
                        layer.call(args).into()
                    })+
                }
            }

            fn overloads(&self, flow: Flow) -> Vec<Overload<AnyLayer>> {
                match self {
                    $(Self::$layer(layer) => layer
                        .overloads()
                        .into_iter()
                        .map(|overload| {
                            let (name, signature) = (overload.name.clone(), overload.signature.clone());
                            let signature = match flow {
                                Flow::SourceToTarget => signature,
                                Flow::TargetToSource => signature.with_both_node_sets(),
                            };
                            Overload::new(name, signature, move |any: &AnyLayer, values| {
                                match &any.0 {
                                    Self::$layer(layer) => {
                                        overload.call_named(layer, values.with_flow(any.1))
                                    }
                                    other => panic!(
                                        "expected a {}, got a {}",
                                        <$place::$layer as Layer>::NAME,
                                        other.name()
                                    ),
                                }
                            })
                        })
                        .collect(),)+
                }
            }

            fn name(&self) -> &'static str {
                match self { $(Self::$layer(layer) => layer.kind(),)+ }
            }
        }

        /// How the parameters of a layer changed, by the name of its Rust type.
        pub(crate) fn history(ty: &str) -> &'static [Change] {
            $(
                if ty == type_name::<$place::$layer>() {
                    return <$place::$layer as Layer>::HISTORY;
                }
            )+
            &[]
        }
    };
}

for_each_layer!(catalog);

/// The name of a type without its path and arguments.
fn type_name<T>() -> &'static str {
    let path = core::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// A layer or model chosen at run time, and which way messages run along the edges that it gets.
///
/// Its parameters have the names of the module inside.
#[derive(Clone, Debug)]
pub struct AnyLayer(AnyModule, Flow);

transparent_module!(AnyLayer { Self, flow });

impl AnyLayer {
    /// A layer or model that gets edges with messages in the given direction.
    pub fn new(module: AnyModule, flow: Flow) -> Self {
        Self(module, flow)
    }

    /// The layer or model.
    pub fn module(&self) -> &AnyModule {
        &self.0
    }

    /// The forward pass with values by name.
    pub(crate) fn call(&self, values: Named) -> kiln_core::Value {
        self.0.call(values.with_flow(self.1))
    }
}

impl Overloads for AnyLayer {
    fn overloads(&self) -> Vec<Overload<Self>> {
        self.0.overloads(self.1)
    }

    fn kind(&self) -> &'static str {
        self.0.name()
    }
}
