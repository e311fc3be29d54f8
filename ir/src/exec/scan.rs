//! Loops. What carried values and rows of sequences do not reach is executed once, before the first
//! step; what is known of it, such as sorted edges, stays known from step to step.

use burn::{
    backend::{
        Dispatch, DispatchTensor, TensorMetadata as _,
        ops::{BoolTensorOps, FloatTensorOps, IntTensorOps},
    },
    tensor::{DType, Shape, Slice},
};

use super::{
    ExecError, Kind, Operand, Session, VALIDATED, empty,
    eval::Eval,
    graph::Graphs,
    plan,
    plan::Parts,
    schedule::tensor_type,
    shape::{cat, reshape},
    site::Site,
    width::widen,
};
use crate::{
    op::{Scan, ScanOperand},
    program::{Function, TensorType},
};

pub(super) fn eval(
    session: &Session,
    eval: &mut Eval<'_>,
    graphs: &mut Graphs,
    site: Site<'_>,
    scan: &Scan,
    operands: Vec<Operand>,
) -> Result<Vec<DispatchTensor>, ExecError> {
    let times = eval.size("the number of steps", &scan.times)?;
    let body = &session.program.functions[scan.body.index()];
    let parts = session.loops.get(&(scan.body, plan::varying(scan)));
    let parts = parts.expect(VALIDATED);
    eval.count_steps(site, times, parts.each.steps.len())?;
    let (mut carried, mut scanned) = (Vec::new(), Vec::new());
    let mut held = vec![None; body.values.len()];
    let mut operands = operands.into_iter();
    for (position, id) in site.node.inputs.iter().enumerate() {
        // Integers have no tensors.
        if tensor_type(site.function, *id).is_none() {
            continue;
        }
        let operand = operands.next().expect(VALIDATED);
        match scan.operand(position) {
            ScanOperand::Carried => carried.push(operand.0),
            ScanOperand::Scanned => scanned.push(operand),
            ScanOperand::Captured => held[position] = Some(operand.0),
        }
    }
    let mut stacked = vec![Vec::with_capacity(times); body.outputs.len() - carried.len()];
    if times > 0 {
        let first = site.outputs().first().copied();
        let mut known = first.map(|first| graphs.of_loop(first)).unwrap_or_default();
        let memory = eval.memory.inside(body.values.len());
        let outside = core::mem::replace(&mut eval.memory, memory);
        core::mem::swap(&mut eval.bounds, &mut known.bounds);
        let mut steps = Steps {
            session,
            body,
            parts,
            held,
            scanned,
            carried,
            stacked: &mut stacked,
        };
        let all = steps.run(eval, &mut known.graphs, times, scan.reverse);
        carried = steps.carried;
        core::mem::swap(&mut eval.bounds, &mut known.bounds);
        eval.memory = outside;
        if let Some(first) = first {
            graphs.keep(first, known);
        }
        all?;
    }
    let mut results = carried;
    let of_stacked = site.outputs().iter().skip(results.len());
    for (id, mut rows) in of_stacked.zip(stacked) {
        let ty = tensor_type(site.function, *id).expect(VALIDATED);
        if scan.reverse {
            rows.reverse();
        }
        results.push(stack(eval, ty, rows)?);
    }
    Ok(results)
}

/// The steps of a loop, while they run.
struct Steps<'a> {
    session: &'a Session,
    body: &'a Function,
    parts: &'a Parts,
    /// Values of the body by number: captured ones, and what is executed once.
    held: Vec<Option<DispatchTensor>>,
    scanned: Vec<Operand>,
    carried: Vec<DispatchTensor>,
    /// Rows of the stacked results.
    stacked: &'a mut [Vec<DispatchTensor>],
}

impl Steps<'_> {
    fn run(
        &mut self,
        eval: &mut Eval<'_>,
        graphs: &mut Graphs,
        times: usize,
        reverse: bool,
    ) -> Result<(), ExecError> {
        let (session, body, parts) = (self.session, self.body, self.parts);
        let held = self.held.clone();
        let kept = session.execute(body, &parts.once, held, eval, graphs)?;
        for (id, tensor) in parts.kept.iter().zip(kept) {
            self.held[id.index()] = tensor;
        }
        let bytes_of = |eval: &Eval<'_>, position: usize| {
            let output = body.outputs.get(position);
            let ty = output.and_then(|id| tensor_type(body, *id));
            ty.and_then(|ty| eval.bytes(ty)).unwrap_or(u64::MAX)
        };
        let rows = self.carried.len()..body.outputs.len();
        let of_rows = rows.map(|position| bytes_of(eval, position));
        let of_rows = of_rows.fold(0, u64::saturating_add);
        let mut memory = eval.memory.clone();
        for step in 0..times {
            let row = if reverse { times - 1 - step } else { step };
            graphs.forget(&parts.reach);
            eval.bounds.forget(|id| parts.reach.varies(id));
            eval.memory = memory.clone();
            let mut values = self.held.clone();
            let carried = core::mem::take(&mut self.carried);
            let count = carried.len();
            let rows: Vec<_> = (self.scanned.iter())
                .map(|operand| slice(eval, operand, row))
                .collect();
            for (position, (id, tensor)) in body
                .inputs
                .iter()
                .zip(carried.into_iter().chain(rows))
                .enumerate()
            {
                // The first ones are counted outside.
                if position < count && step > 0 {
                    let bytes = bytes_of(eval, position);
                    eval.memory.count(*id, bytes);
                }
                values[id.index()] = Some(tensor);
            }
            let results = session.execute(body, &parts.each, values, eval, graphs)?;
            let mut results = results.into_iter().flatten();
            self.carried.extend(results.by_ref().take(count));
            for (rows, result) in self.stacked.iter_mut().zip(results) {
                rows.push(result);
            }
            memory.sum = memory.sum.saturating_add(of_rows);
        }
        Ok(())
    }
}

/// A row of a sequence.
fn slice(eval: &Eval<'_>, (tensor, elem): &Operand, row: usize) -> DispatchTensor {
    let (tensor, kind, shape) = (tensor.clone(), Kind::of(*elem), tensor.shape());
    let of_row = Shape::from(shape.iter().skip(1).copied().collect::<Vec<_>>());
    if of_row.num_elements() == 0 {
        return empty::tensor(eval.width, eval.device, *elem, of_row);
    }
    let mut slices: Vec<Slice> = shape.iter().map(|&size| Slice::from(0..size)).collect();
    slices[0] = Slice::from(row..row + 1);
    let rows = match kind {
        Kind::Float => Dispatch::float_slice(tensor, &slices),
        Kind::Int => Dispatch::int_slice(tensor, &slices),
        Kind::Bool => Dispatch::bool_slice(tensor, &slices),
    };
    reshape(rows, kind, of_row)
}

/// The values of all steps, as rows of one tensor.
fn stack(
    eval: &Eval<'_>,
    ty: &TensorType,
    rows: Vec<DispatchTensor>,
) -> Result<DispatchTensor, ExecError> {
    let shape = eval.shape(&ty.dims)?;
    let kind = Kind::of(ty.elem);
    if shape.num_elements() == 0 {
        return Ok(empty::tensor(eval.width, eval.device, ty.elem, shape));
    }
    let is_wide = rows.iter().any(|row| row.dtype() == DType::I64);
    let row = |tensor: DispatchTensor| {
        let tensor = if is_wide { widen(tensor) } else { tensor };
        let mut dims = vec![1];
        dims.extend(tensor.shape().iter());
        reshape(tensor, kind, Shape::from(dims))
    };
    Ok(cat(0, kind, rows.into_iter().map(row).collect()))
}
