//! Several aggregations of the same elements.

use burn::{
    config::Config,
    module::Module,
    tensor::{Bool, Device, Tensor},
};
use kiln_ops::detach;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    aggregation::Aggregation,
    config::AggrConfig,
    elements::{Elements, Needs},
    layer::{Combine, aggregation_layers},
    set_attention::BlockOptions,
};
use crate::{
    config::{ConfigError, LayerConfig, count},
    linear::{Linear, LinearConfig},
    multihead::MultiheadAttention,
};

/// What becomes of the results of several aggregations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They stand side by side.
    #[default]
    Cat,
    /// Side by side they are put through a linear map.
    Proj,
    /// Each is put through a linear map of its own, they attend to each other, and the results are
    /// averaged.
    Attn,
    /// They are added up.
    Sum,
    /// They are averaged.
    Mean,
    /// The largest value of each feature is taken.
    Max,
    /// The smallest value of each feature is taken.
    Min,
    /// The logarithm of the sum of exponentials is taken.
    LogSumExp,
    /// The standard deviation is taken, unbiased.
    Std,
    /// The variance is taken, unbiased.
    Var,
}

/// Arguments of a [`Mode`] (PyG's `mode_kwargs`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModeKwargs {
    /// Width of the elements, or of the result of each aggregation.
    pub in_channels: Option<Widths>,
    /// Width of the result.
    pub out_channels: Option<usize>,
    /// Whether the map of mode `proj` has a learned bias; those of mode `attn` have.
    pub bias: Option<bool>,
    /// Number of heads of mode `attn`, 1 if there is none given.
    pub num_heads: Option<usize>,
    /// Probability with which attention weights of mode `attn` are dropped while training.
    pub dropout: Option<f64>,
}

/// A width for all or one for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Widths {
    /// One for all.
    One(usize),
    /// One for each.
    Each(Vec<usize>),
}

/// Configuration of a [`MultiAggregation`].
#[derive(Config, Debug, PartialEq)]
pub struct MultiConfig {
    /// The aggregations.
    pub aggrs: Vec<AggrConfig>,
    /// Arguments of each, for aggregations that are given by their names.
    #[config(default = "None")]
    pub aggrs_kwargs: Option<Vec<Map<String, Value>>>,
    /// What becomes of their results.
    #[config(default = "Mode::Cat")]
    pub mode: Mode,
    /// Arguments of the mode.
    #[config(default = "None")]
    pub mode_kwargs: Option<ModeKwargs>,
}

impl MultiConfig {
    /// The aggregations with their arguments.
    fn resolved(&self) -> Result<Vec<AggrConfig>, ConfigError> {
        let Some(kwargs) = &self.aggrs_kwargs else {
            return Ok(self.aggrs.clone());
        };
        let [expected, got] = [self.aggrs.len(), kwargs.len()];
        let error = |got: String| ConfigError {
            name: "aggrs_kwargs",
            expected: "the arguments of each aggregation",
            got,
        };
        if expected != got {
            return Err(error(format!("{got} for {expected} aggregations")));
        }
        let both = self.aggrs.iter().zip(kwargs);
        let with = both.map(|(aggr, args)| aggr.with_args(args));
        with.map(|aggr| aggr.map_err(|source| error(source.to_string())))
            .collect()
    }

    /// Widths of the results and of what linear maps make of them.
    fn maps(&self) -> Option<(Vec<usize>, usize)> {
        let args = self.mode_kwargs.as_ref()?;
        let d_in = match args.in_channels.as_ref()? {
            Widths::One(width) => vec![*width; self.aggrs.len()],
            Widths::Each(widths) => widths.clone(),
        };
        Some((d_in, args.out_channels?))
    }

    /// Checks the arguments of attention.
    fn check_attention(&self) -> Result<(), ConfigError> {
        let args = self.mode_kwargs.clone().unwrap_or_default();
        let error = |expected, got| ConfigError {
            name: "mode_kwargs",
            expected,
            got,
        };
        if args.bias == Some(false) {
            let expected = "attention with biases";
            return Err(error(expected, "`bias` false".to_owned()));
        }
        let (widths, width) = self.maps().unwrap_or_default();
        if widths.len() != self.aggrs.len() {
            let expected = "a width for each aggregation";
            return Err(error(expected, format!("{widths:?}")));
        }
        let options = BlockOptions {
            channels: width,
            heads: args.num_heads.unwrap_or(1),
            layer_norm: false,
            dropout: args.dropout.unwrap_or_default(),
        };
        options.check().map_err(|source| {
            error(
                source.expected,
                format!("{} for `{}`", source.got, source.name),
            )
        })
    }
}

impl LayerConfig for MultiConfig {
    type Layer = MultiAggregation;

    const REQUIRED: &'static [&'static str] = &["aggrs"];

    fn blank() -> Self {
        Self::new(Vec::new())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let some = !self.aggrs.is_empty();
        ConfigError::unless(some, "aggrs", "at least one aggregation", "none")?;
        for aggr in self.resolved()? {
            aggr.check()?;
        }
        if matches!(self.mode, Mode::Proj | Mode::Attn) {
            let several = self.aggrs.len() > 1;
            ConfigError::unless(several, "aggrs", "several, since they are mapped", "one")?;
            let expected = "`in_channels` and `out_channels` of the map";
            let got = format!("{:?}", self.mode_kwargs);
            ConfigError::unless(self.maps().is_some(), "mode_kwargs", expected, got)?;
        }
        if self.mode == Mode::Attn {
            return self.check_attention();
        }
        Ok(())
    }

    fn make(&self, device: &Device) -> MultiAggregation {
        let aggrs = self.resolved().unwrap_or_else(|error| panic!("{error}"));
        let args = self.mode_kwargs.clone().unwrap_or_default();
        let of_mode = |mode| self.maps().filter(|_| self.mode == mode);
        let linear = |d_in, d_out| LinearConfig::new(d_in, d_out);
        let lin = of_mode(Mode::Proj).map(|(d_in, d_out)| {
            let config = linear(d_in.iter().sum(), d_out);
            config.with_bias(args.bias.unwrap_or(true)).init(device)
        });
        let (mut lin_heads, mut multihead_attn) = (None, None);
        if let Some((d_in, d_out)) = of_mode(Mode::Attn) {
            let lins = d_in.iter().map(|&d_in| linear(d_in, d_out).init(device));
            let lins = lins.collect();
            lin_heads = Some(HeteroDictLinear { lins });
            let (heads, dropout) = (args.num_heads.unwrap_or(1), args.dropout);
            let attention =
                MultiheadAttention::new(d_out, heads, dropout.unwrap_or_default(), device);
            multihead_attn = Some(attention);
        }
        MultiAggregation {
            aggrs: aggrs.iter().map(|aggr| aggr.init(device)).collect(),
            lin,
            lin_heads,
            multihead_attn,
            config: self.clone(),
        }
    }
}

/// Combines the results of several aggregations of the same elements.
///
/// Sums, means and squares that several of them need are taken once.
///
/// Matches `torch_geometric.nn.MultiAggregation` (2.8). The result of one aggregation alone is
/// returned as it is, whatever the mode.
///
/// # Shapes
/// messages: `[E, F]` · output: `[n, F']`, the sum of all widths in mode `cat`, that of the maps in
/// modes `proj` and `attn`, and the width that all have in the others
#[derive(Module, Debug)]
pub struct MultiAggregation {
    /// The aggregations.
    pub aggrs: Vec<Aggregation>,
    /// The map of mode `proj`.
    pub lin: Option<Linear>,
    /// The maps of mode `attn`.
    pub lin_heads: Option<HeteroDictLinear>,
    /// The attention of mode `attn`.
    pub multihead_attn: Option<MultiheadAttention>,
    /// What the aggregation was made from.
    #[module(skip)]
    pub config: MultiConfig,
}

/// A linear map of each aggregation's result.
#[derive(Module, Debug)]
pub struct HeteroDictLinear {
    /// The maps.
    pub lins: Vec<Linear>,
}

impl MultiAggregation {
    /// Whether no gradient flows through the mean of squares, if there are variances: PyG takes it
    /// once for all.
    fn semi_grad(&self) -> bool {
        let semi = |aggr: &Aggregation| match aggr {
            Aggregation::Var(var) => var.config.semi_grad,
            _ => false,
        };
        self.aggrs.iter().any(semi)
    }
}

impl Combine for MultiAggregation {
    fn input(&self) -> Option<usize> {
        let fixed = self.aggrs.iter().find_map(Combine::input);
        // Each result is a multiple of the elements' width.
        let results = || self.aggrs.iter().map(|aggr| Combine::width(aggr, 1)).sum();
        let mapped = || match (&self.lin, &self.lin_heads) {
            (Some(lin), _) => Some(lin.in_channels()),
            (None, Some(heads)) => Some(heads.lins.iter().map(Linear::in_channels).sum()),
            (None, None) => None,
        };
        fixed.or_else(|| mapped()?.checked_div(results()))
    }

    fn width(&self, element: usize) -> usize {
        let mut widths = self.aggrs.iter().map(|aggr| Combine::width(aggr, element));
        match (self.config.mode, self.config.maps(), self.aggrs.len()) {
            (Mode::Proj | Mode::Attn, Some((_, width)), _) => width,
            (Mode::Cat, ..) => widths.sum(),
            _ => widths.next().unwrap_or(element),
        }
    }

    fn needs(&self) -> Needs {
        let needs = self.aggrs.iter().map(Combine::needs);
        needs.fold(Needs::default(), Needs::and)
    }

    fn combine(&self, elements: &Elements<'_>) -> Tensor<2> {
        elements.expect(self.needs(), Some(self.semi_grad()));
        let outs = self.aggrs.iter().map(|aggr| aggr.combine(elements));
        let mut outs: Vec<Tensor<2>> = outs.collect();
        if outs.len() == 1 {
            return outs.remove(0);
        }
        if let Some(lin) = &self.lin {
            return lin.forward(Tensor::cat(outs, 1));
        }
        if let (Some(heads), Some(attention)) = (&self.lin_heads, &self.multihead_attn) {
            let outs = outs.into_iter().zip(&heads.lins);
            let outs = outs.map(|(out, lin)| lin.forward(out)).collect();
            let outs: Tensor<3> = Tensor::stack(outs, 1);
            let out = attention.attend(outs.clone(), outs, None);
            return out.mean_dim(1).squeeze_dim(1);
        }
        match self.config.mode {
            Mode::Cat => Tensor::cat(outs, 1),
            mode => dense(outs, mode),
        }
    }
}

/// One matrix of several of one shape.
fn dense(outs: Vec<Tensor<2>>, mode: Mode) -> Tensor<2> {
    let number = count(outs.len());
    let sum = |outs: Vec<Tensor<2>>| outs.into_iter().reduce(|a, b| a + b).expect("several");
    let variance = |outs: Vec<Tensor<2>>| {
        let mean = sum(outs.clone()) / number;
        let squares = outs.into_iter().map(|out| {
            let difference = out - mean.clone();
            difference.clone() * difference
        });
        sum(squares.collect()) / (number - 1.0)
    };
    match mode {
        Mode::Sum | Mode::Cat | Mode::Proj | Mode::Attn => sum(outs),
        Mode::Mean => sum(outs) / number,
        Mode::Max => first(outs, Tensor::lower_equal),
        Mode::Min => first(outs, Tensor::greater_equal),
        Mode::LogSumExp => {
            let largest = first(
                outs.iter().cloned().map(detach).collect(),
                Tensor::lower_equal,
            );
            let is_infinite = largest.clone().abs().equal_elem(f64::INFINITY);
            let largest = largest.mask_fill(is_infinite, 0.0);
            let powers = outs.into_iter().map(|out| (out - largest.clone()).exp());
            sum(powers.collect()).log() + largest
        }
        Mode::Var => variance(outs),
        Mode::Std => variance(outs).sqrt(),
    }
}

/// For each element the first for which no other goes before it, or the first NaN, as in PyTorch;
/// its gradient is not shared.
fn first(
    outs: Vec<Tensor<2>>,
    is_behind: fn(Tensor<2>, Tensor<2>) -> Tensor<2, Bool>,
) -> Tensor<2> {
    let better = |best: Tensor<2>, next: Tensor<2>| {
        let is_kept = is_behind(next.clone(), best.clone());
        let is_nan = best.clone().is_nan();
        next.mask_where(is_kept.bool_or(is_nan), best)
    };
    outs.into_iter().reduce(better).expect("several")
}

aggregation_layers!(MultiAggregation(MultiConfig));
