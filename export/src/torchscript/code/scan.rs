//! Loops: a `for` around a call of the body, with a variable for each carried value and a list for
//! each stacked result.

use kiln_ir::{Scan, ValueId, ValueType, op::ScanOperand};

use super::{
    super::error::Error,
    function::{Body, Writer},
    ops::stem,
    scope::{Scope, may_be_negative},
};

impl<'a> Writer<'a, '_> {
    /// Writes a loop, and defines its results.
    pub(super) fn scan(
        &mut self,
        body: &mut Body<'a>,
        scan: &Scan,
        inputs: &[ValueId],
        outputs: &[ValueId],
    ) -> Result<(), Error> {
        let operands = body.names_of(inputs)?;
        let callee = self.callee(body, scan.body)?;
        // What these find out must stand before the loop.
        let extras = callee.extras(&mut body.scope)?;
        let steps = body.scope.size(&scan.times)?;
        let mut made = Vec::new();
        for &output in outputs.iter().skip(scan.carried as usize) {
            let ValueType::Tensor(ty) = body.value_type(output)? else {
                return Err(body.malformed(format!("%{} of a loop is an integer", output.0)));
            };
            let shape = body.scope.sizes(&ty.dims)?;
            let (dtype, device) = (body.scope.dtype(ty.elem), body.scope.device());
            made.push(format!("{shape}, {dtype}, {device}"));
        }
        let scope = &mut body.scope;
        if may_be_negative(&scan.times) {
            let check = self.library.function("check_count");
            scope.line(&format!("{check}({steps}, \"the number of steps\")"));
        }
        let label = |position: usize| {
            let name = callee.function.input_names.get(position);
            stem(name.map_or("x", String::as_str)).to_owned()
        };
        let (mut carried, mut rows, mut arguments) = (Vec::new(), Vec::new(), Vec::new());
        for (position, operand) in operands.into_iter().enumerate() {
            let name = match scan.operand(position) {
                ScanOperand::Captured => operand,
                ScanOperand::Carried => {
                    let name = scope.names.fresh(&label(position));
                    scope.line(&format!("{name} = {operand}"));
                    carried.push(name.clone());
                    name
                }
                ScanOperand::Scanned => {
                    let name = scope.names.fresh(&label(position));
                    rows.push((name.clone(), operand));
                    name
                }
            };
            arguments.push(name);
        }
        arguments.extend(extras);
        let lists: Vec<[String; 2]> = made
            .iter()
            .map(|_| ["all", "one"].map(|label| scope.names.fresh(label)))
            .collect();
        for [all, _] in &lists {
            scope.line(&format!("{all} = annotate(List[Tensor], [])"));
        }
        let step = scope.names.fresh("step");
        scope.line(&format!("for {step} in range({steps}):"));
        scope.indent += 1;
        let row = if scan.reverse {
            // -1 is the last row.
            format!("-1 - {step}")
        } else {
            step
        };
        for (name, sequence) in rows {
            scope.line(&format!("{name} = torch.select({sequence}, 0, {row})"));
        }
        let ones = lists.iter().map(|[_, one]| one);
        let targets: Vec<&str> = carried.iter().chain(ones).map(String::as_str).collect();
        let call = callee.interface.call(&callee.module, &arguments);
        match targets.as_slice() {
            [one] => scope.line(&format!("{one} = {call}")),
            all => scope.line(&format!("{}, = {call}", all.join(", "))),
        }
        append(scope, &lists);
        scope.indent -= 1;
        let mut names = carried;
        for ([all, _], made) in lists.iter().zip(made) {
            let stack = self.library.function("stack");
            let name = scope.names.fresh("stacked");
            let reverse = if scan.reverse { "True" } else { "False" };
            scope.line(&format!("{name} = {stack}({all}, {reverse}, {made})"));
            names.push(name);
        }
        for (&output, name) in outputs.iter().zip(names) {
            body.define(output, name)?;
        }
        Ok(())
    }
}

fn append(scope: &mut Scope<'_>, lists: &[[String; 2]]) {
    for [all, one] in lists {
        let unused = scope.names.fresh("_");
        scope.line(&format!("{unused} = torch.append({all}, {one})"));
    }
}
