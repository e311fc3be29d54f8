//! From several recordings of one forward pass to one with symbolic sizes.

use std::collections::BTreeMap;

use burn::{module::ParamId, tensor::TensorData};
use kiln_ops::scope::ScopeInfo;

use super::{
    capture::{self, Recording, Step, Structure},
    error::{Place, RecordError},
    lift::Raw,
    witness::{RECORDINGS, Witnesses},
};
use crate::{
    op::Op,
    program::{ElemType, SymbolId},
    size::Size,
};

/// A recording whose sizes are symbolic.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) steps: Vec<MergedStep>,
    pub(super) scopes: Vec<ScopeInfo>,
    pub(super) params: BTreeMap<usize, ParamId>,
    pub(super) constants: BTreeMap<usize, Constant>,
    pub(super) result: Structure,
}

/// A tensor that the forward pass made from data.
#[derive(Debug)]
pub(super) enum Constant {
    /// The same data in all recordings.
    Data(TensorData),
    /// `0, 1, 2, ..` up to a size.
    Arange(Size),
}

/// One step with symbolic sizes; see [`Step`].
#[derive(Debug)]
pub(super) enum MergedStep {
    Op {
        op: Op,
        inputs: Vec<usize>,
        outputs: Vec<MergedTensor>,
    },
    Data,
    Input {
        tensor: usize,
    },
    Output {
        tensor: usize,
    },
    Begin {
        scope: usize,
    },
    Enter {
        outer: usize,
        inner: usize,
    },
    Leave {
        inner: usize,
        outer: usize,
    },
    End,
}

/// A tensor that an operation defines.
#[derive(Debug)]
pub(super) struct MergedTensor {
    pub(super) number: usize,
    pub(super) elem: ElemType,
    pub(super) dims: Vec<Size>,
}

/// Merges recordings. `fresh` gives a symbol for each size that depends on data.
pub(super) fn merge(
    method: &str,
    recordings: Vec<Recording>,
    mut witnesses: Witnesses,
    fresh: impl Fn(usize) -> SymbolId,
) -> Result<Merged, RecordError> {
    let Ok(recordings): Result<[Recording; RECORDINGS], _> = recordings.try_into() else {
        return Err(RecordError::Capture {
            place: Place {
                method: method.to_owned(),
                layers: Vec::new(),
            },
            message: format!("expected {RECORDINGS} recordings"),
        });
    };
    let mut open: Vec<usize> = Vec::new();
    let [first, ..] = &recordings;
    let place = |open: &[usize]| {
        let notes = kiln_ops::scope::Notes {
            open: open.to_vec(),
            ..first.notes.clone()
        };
        capture::place(method, &notes)
    };
    let differs = |open: &[usize], difference: String| RecordError::SizeDependent {
        place: place(open),
        difference,
    };

    for other in &recordings {
        if other.notes.fresh.len() != first.notes.fresh.len() {
            return Err(differs(
                &[],
                "another number of results whose size depends on data".into(),
            ));
        }
        if other.result != first.result {
            return Err(differs(&[], "results of another structure".into()));
        }
    }
    for position in 0..first.notes.fresh.len() {
        let values = core::array::from_fn(|recording| {
            recordings[recording]
                .notes
                .fresh
                .get(position)
                .and_then(|&size| i64::try_from(size).ok())
                .unwrap_or_default()
        });
        witnesses.push(fresh(position), values);
    }

    let mut steps = Vec::with_capacity(first.steps.len());
    for (position, step) in first.steps.iter().enumerate() {
        let mut all = Vec::with_capacity(RECORDINGS);
        for other in &recordings {
            match other.steps.get(position) {
                Some(other) if same_step(step, other) => all.push(other),
                other => {
                    let difference = format!(
                        "step {position} is `{}` at one size and `{}` at another",
                        describe(Some(step)),
                        describe(other)
                    );
                    return Err(differs(&open, difference));
                }
            }
        }
        steps.push(match step {
            Step::Op(_) => {
                let raws: Vec<&Raw> = all
                    .into_iter()
                    .filter_map(|step| {
                        if let Step::Op(raw) = step {
                            Some(raw)
                        } else {
                            None
                        }
                    })
                    .collect();
                merge_op(&raws, &witnesses, &|| place(&open))?
            }
            Step::Data { .. } => MergedStep::Data,
            Step::Input { tensor } => MergedStep::Input { tensor: *tensor },
            Step::Output { tensor } => MergedStep::Output { tensor: *tensor },
            Step::Begin { scope } => {
                open.push(*scope);
                MergedStep::Begin { scope: *scope }
            }
            Step::Enter { outer, inner } => MergedStep::Enter {
                outer: *outer,
                inner: *inner,
            },
            Step::Leave { inner, outer } => MergedStep::Leave {
                inner: *inner,
                outer: *outer,
            },
            Step::End => {
                open.pop();
                MergedStep::End
            }
        });
    }
    if let Some(longer) = recordings
        .iter()
        .find(|other| other.steps.len() > first.steps.len())
    {
        let next = longer.steps.get(first.steps.len());
        let difference = format!(
            "`{}` follows at one size and nothing at another",
            describe(next)
        );
        return Err(differs(&[], difference));
    }

    let mut constants = BTreeMap::new();
    for number in first
        .data
        .keys()
        .filter(|number| !first.params.contains_key(number))
    {
        let data: Vec<&TensorData> = recordings
            .iter()
            .filter_map(|recording| recording.data.get(number))
            .collect();
        let constant =
            merge_constant(&data, &witnesses).ok_or_else(|| RecordError::BakedConstant {
                place: place(&[]),
                shape: data
                    .iter()
                    .take(2)
                    .map(|data| format!("{:?}", data.shape()))
                    .collect::<Vec<_>>()
                    .join(" and "),
            })?;
        constants.insert(*number, constant);
    }
    let [first, ..] = recordings;
    Ok(Merged {
        steps,
        scopes: first.notes.scopes,
        params: first.params,
        constants,
        result: first.result,
    })
}

fn describe(step: Option<&Step>) -> String {
    match step {
        Some(Step::Op(raw)) => name(&raw.op),
        Some(Step::Data { .. }) => "constant".to_owned(),
        Some(Step::Begin { .. } | Step::Enter { .. }) => "begin of a layer".to_owned(),
        Some(Step::Leave { .. } | Step::End) => "end of a layer".to_owned(),
        Some(Step::Input { .. }) => "input".to_owned(),
        Some(Step::Output { .. }) => "output".to_owned(),
        None => "nothing".to_owned(),
    }
}

/// Whether two steps do the same on the same tensors, whatever their numbers.
fn same_step(a: &Step, b: &Step) -> bool {
    let (Step::Op(a), Step::Op(b)) = (a, b) else {
        return a == b;
    };
    let same_outputs = a.outputs.len() == b.outputs.len()
        && a.outputs
            .iter()
            .zip(&b.outputs)
            .all(|(a, b)| a.number == b.number && a.elem == b.elem && a.dims.len() == b.dims.len());
    same_outputs && a.inputs == b.inputs && without_numbers(&a.op) == without_numbers(&b.op)
}

/// The operation with all its sizes and floats set to zero: what must agree between recordings.
fn without_numbers(op: &Op) -> Op {
    let mut op = op.clone();
    for size in op.sizes_mut() {
        *size = Size::default();
    }
    for float in op.floats_mut() {
        float.0 = 0.0;
    }
    op
}

fn merge_op(
    raws: &[&Raw],
    witnesses: &Witnesses,
    place: &dyn Fn() -> Place,
) -> Result<MergedStep, RecordError> {
    let first = raws[0];
    let operation = || name(&first.op);
    let fit = |what: &dyn Fn() -> String, seen: [i64; RECORDINGS]| {
        witnesses
            .fit(seen)
            .ok_or_else(|| RecordError::NotPolynomial {
                place: place(),
                what: what(),
                operation: operation(),
                observed: observed(&seen),
            })
    };
    let mut op = first.op.clone();
    let mut ops: Vec<Op> = raws.iter().map(|raw| raw.op.clone()).collect();
    let floats: Vec<Vec<f64>> = ops
        .iter_mut()
        .map(|op| op.floats_mut().into_iter().map(|f| f.0).collect())
        .collect();
    if let Some(other) = floats
        .iter()
        .find(|other| **other != floats[0] && !all_nan(other))
    {
        return Err(RecordError::FloatDependsOnSize {
            place: place(),
            operation: operation(),
            observed: format!("{:?} and {other:?}", floats[0]),
        });
    }
    let numbers: Vec<Vec<i64>> = ops
        .iter_mut()
        .map(|op| {
            op.sizes_mut()
                .into_iter()
                .map(|s| s.as_fixed().unwrap_or_default())
                .collect()
        })
        .collect();
    for (slot, size) in op.sizes_mut().into_iter().enumerate() {
        let seen = core::array::from_fn(|recording| numbers[recording][slot]);
        *size = fit(&|| format!("attribute {slot}"), seen)?;
    }
    let mut outputs = Vec::with_capacity(first.outputs.len());
    for (result, output) in first.outputs.iter().enumerate() {
        let dims = (0..output.dims.len())
            .map(|axis| {
                let seen =
                    core::array::from_fn(|recording| raws[recording].outputs[result].dims[axis]);
                fit(&|| format!("axis {axis} of result {result}"), seen)
            })
            .collect::<Result<_, _>>()?;
        outputs.push(MergedTensor {
            number: output.number,
            elem: output.elem,
            dims,
        });
    }
    Ok(MergedStep::Op {
        op,
        inputs: first.inputs.clone(),
        outputs,
    })
}

fn all_nan(numbers: &[f64]) -> bool {
    !numbers.is_empty() && numbers.iter().all(|n| n.is_nan())
}

fn observed(seen: &[i64]) -> String {
    let numbers: Vec<String> = seen.iter().map(ToString::to_string).collect();
    format!("{} at {} different sizes", numbers.join(", "), seen.len())
}

fn merge_constant(data: &[&TensorData], witnesses: &Witnesses) -> Option<Constant> {
    let first = *data.first()?;
    if data.iter().all(|other| *other == first) {
        return Some(Constant::Data(first.clone()));
    }
    let is_arange = |data: &&TensorData| {
        (data.dtype().is_int() || data.dtype().is_uint())
            && data.shape().num_dims() == 1
            && data
                .iter::<i64>()
                .zip(0..)
                .all(|(value, position)| value == position)
    };
    if !data.iter().all(is_arange) || data.len() != RECORDINGS {
        return None;
    }
    let seen = core::array::from_fn(|recording| {
        i64::try_from(data[recording].num_elements()).unwrap_or(i64::MAX)
    });
    witnesses.fit(seen).map(Constant::Arange)
}

/// The operation's name for messages.
fn name(op: &Op) -> String {
    format!("{op:?}")
        .split(['(', ' ', '{'])
        .next()
        .unwrap_or_default()
        .to_owned()
}
