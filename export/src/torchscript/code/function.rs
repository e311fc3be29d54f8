//! Functions of a program as methods of their module's class: one statement for each operation.

use kiln_ir::{
    Arguments, DenseOp, Function, FunctionId, ModuleId, Op, SymbolId, TensorType, ValueId,
    ValueType, WeightId, WeightRole,
};

use super::{
    super::error::Error,
    library::Library,
    module::Classes,
    ops::{self, Operands},
    scope::{Context, Extra, Scope, attribute},
    types,
};

/// How a written function is called.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    /// Name of the method.
    pub(super) name: String,
    /// Parameters beyond the function's inputs.
    pub(super) extras: Vec<Extra>,
    /// Class of the record that holds all arguments, if they are passed as one.
    pub(super) record: Option<String>,
}

impl Interface {
    /// A call on the given module with the given arguments.
    pub(super) fn call(&self, module: &str, arguments: &[String]) -> String {
        let arguments = arguments.join(", ");
        match &self.record {
            Some(record) => format!("{module}.{}({record}({arguments}))", self.name),
            None => format!("{module}.{}({arguments})", self.name),
        }
    }
}

/// A function as text.
pub(super) struct Written {
    /// How to call it.
    pub(super) interface: Interface,
    /// Its definition.
    pub(super) text: String,
}

/// What writing one function needs to know.
pub(super) struct Writer<'a, 'b> {
    /// The program.
    pub(super) context: &'a Context<'a>,
    /// The functions before this one.
    pub(super) written: &'b [Written],
    /// Where records are declared.
    pub(super) classes: &'b mut Classes,
    /// Where the functions used are noted.
    pub(super) library: &'b mut Library,
}

impl<'a, 'b> Writer<'a, 'b> {
    /// Writes a function under a method name.
    pub(super) fn write(&mut self, function: &'a Function, name: String) -> Result<Written, Error> {
        let mut body = Body::new(self.context, function);
        let record = match &function.arguments {
            Arguments::Plain => None,
            Arguments::Record(class) => Some((class, body.scope.names.fresh("args"))),
        };
        let mut inputs = Vec::new();
        for (position, &value) in function.inputs.iter().enumerate() {
            let label = function
                .input_names
                .get(position)
                .map_or("x", String::as_str);
            let name = body.scope.names.fresh(label);
            let ty = match body.value_type(value)? {
                ValueType::Tensor(_) => "Tensor",
                ValueType::Int(_) => "int",
            };
            body.define(value, name.clone())?;
            inputs.push((name, ty));
        }
        for node in &function.nodes {
            self.statement(&mut body, &node.op, &node.inputs, &node.outputs)?;
        }
        let outputs = body.names_of(&function.outputs)?;
        // Optional results of a method may all be absent.
        let returned = if outputs.is_empty() {
            "None".to_owned()
        } else {
            types::tuple(&outputs)
        };
        body.scope.line(&format!("return {returned}"));

        let extras = body.scope.extras.take().unwrap_or_default();
        inputs.extend(
            extras
                .iter()
                .map(|(extra, name)| (name.clone(), extra.type_text())),
        );
        let result = match outputs.len() {
            0 => "NoneType".to_owned(),
            1 => "Tensor".to_owned(),
            count => format!("Tuple[{}]", vec!["Tensor"; count].join(", ")),
        };
        let body_text = body.scope.text();
        let (record, parameters, unpack) = match record {
            None => {
                let list = |(name, ty): &(String, &str)| format!(",\n    {name}: {ty}");
                (
                    None,
                    inputs.iter().map(list).collect::<String>(),
                    String::new(),
                )
            }
            Some((class, variable)) => {
                let fields: Vec<(&str, &str)> = inputs
                    .iter()
                    .map(|(name, ty)| (name.as_str(), *ty))
                    .collect();
                let class = self.classes.record(class, &fields);
                let unpack = |(name, _): &(&str, &str)| format!("    {name} = {variable}.{name}\n");
                (
                    Some(class.clone()),
                    format!(",\n    {variable}: {class}"),
                    fields.iter().map(unpack).collect(),
                )
            }
        };
        let text = format!("  def {name}(self{parameters}) -> {result}:\n{unpack}{body_text}");
        let extras = extras.into_iter().map(|(extra, _)| extra).collect();
        Ok(Written {
            interface: Interface {
                name,
                extras,
                record,
            },
            text,
        })
    }

    fn statement(
        &mut self,
        body: &mut Body<'a>,
        op: &Op,
        inputs: &[ValueId],
        outputs: &[ValueId],
    ) -> Result<(), Error> {
        if let (Op::Symbol(symbol), [output]) = (op, outputs) {
            let name = body.scope.symbol(*symbol)?;
            return body.define(*output, name);
        }
        if let Op::Scan(scan) = op {
            return self.scan(body, scan, inputs, outputs);
        }
        let mut labels = Vec::with_capacity(outputs.len());
        let text = match op {
            Op::Weight(weight) => {
                labels.push(match self.context.program.weights.get(weight.index()) {
                    Some(found) if found.role == WeightRole::Constant => "constant".to_owned(),
                    _ => attribute(self.context.program, *weight),
                });
                body.weight(*weight)?
            }
            Op::Call(callee) => {
                labels.resize(outputs.len(), "out".to_owned());
                self.call(body, *callee, inputs)?
            }
            _ => {
                let training = match op {
                    Op::Dense(DenseOp::BatchNorm {
                        momentum: Some(_), ..
                    }) => self.trained_batch(body, inputs)?,
                    Op::Dense(DenseOp::RunningStatistic { counts, .. }) => {
                        self.training_of(body, inputs).map(|(training, owner)| {
                            if *counts {
                                self.count_batch(body, &training, owner);
                            }
                            training
                        })
                    }
                    _ => None,
                };
                let operands = Operands {
                    inputs: body.operands(inputs)?,
                    training,
                };
                let expression = ops::expression(&mut body.scope, self.library, op, &operands)?;
                let positions = 0..outputs.len();
                labels.extend(positions.map(|position| expression.name(position, &operands)));
                expression.text
            }
        };
        let names: Vec<_> = labels
            .iter()
            .map(|label| body.scope.names.fresh(label))
            .collect();
        match names.as_slice() {
            [] => body.scope.line(&text),
            [name] => body.scope.line(&format!("{name} = {text}")),
            names => {
                let targets = names.join(", ");
                body.scope.line(&format!("{targets}, = {text}"));
            }
        }
        for (&value, name) in outputs.iter().zip(names) {
            body.define(value, name)?;
        }
        Ok(())
    }

    /// An expression for whether the module of a running statistic is trained, and the module.
    /// `None` if the statistic is no buffer.
    fn training_of(&self, body: &Body<'a>, inputs: &[ValueId]) -> Option<(String, ModuleId)> {
        let running = *inputs.get(3)?;
        let owner = self.context.owner(body.function.weight_of(running)?)?;
        let module = self.context.module_expr(body.function.module, owner)?;
        Some((format!("{module}.training"), owner))
    }

    /// An expression for whether a batch normalisation goes by the statistics of the batch, whose
    /// batches it counts. One row has none: PyG's `allow_single_element`.
    fn trained_batch(
        &self,
        body: &mut Body<'a>,
        inputs: &[ValueId],
    ) -> Result<Option<String>, Error> {
        let Some((training, owner)) = self.training_of(body, inputs) else {
            return Ok(None);
        };
        let operands = body.operands(inputs)?;
        let matrix = operands.first().filter(|(_, ty)| ty.dims.len() == 2);
        let Some((x, _)) = matrix else {
            self.count_batch(body, &training, owner);
            return Ok(Some(training));
        };
        let by_batch = body.scope.names.fresh("by_batch");
        for line in [
            format!("if {training}:"),
            format!("  {by_batch} = torch.gt(torch.size({x}, 0), 1)"),
            "else:".to_owned(),
            format!("  {by_batch} = False"),
        ] {
            body.scope.line(&line);
        }
        self.count_batch(body, &by_batch, owner);
        Ok(Some(by_batch))
    }

    /// Has a module that is trained count its batches, as PyTorch's batch normalisation does.
    fn count_batch(&self, body: &mut Body<'a>, training: &str, owner: ModuleId) {
        let count = self.context.weight_of(owner, "num_batches_tracked");
        let count = count.and_then(|count| self.context.weight_expr(body.function.module, count));
        if let Some(count) = count {
            let unused = body.scope.names.fresh("count");
            body.scope.line(&format!("if {training}:"));
            body.scope
                .line(&format!("  {unused} = torch.add_({count}, 1)"));
            body.scope.line("else:");
            body.scope.line("  pass");
        }
    }

    fn call(
        &self,
        body: &mut Body<'a>,
        callee: FunctionId,
        inputs: &[ValueId],
    ) -> Result<String, Error> {
        let callee = self.callee(body, callee)?;
        let mut arguments = body.names_of(inputs)?;
        arguments.extend(callee.extras(&mut body.scope)?);
        Ok(callee.interface.call(&callee.module, &arguments))
    }

    /// A function that stands before the one that is written.
    pub(super) fn callee(&self, body: &Body<'a>, id: FunctionId) -> Result<Callee<'b, 'a>, Error> {
        let (Some(written), Some(function)) = (
            self.written.get(id.index()),
            self.context.program.functions.get(id.index()),
        ) else {
            return Err(body.malformed(format!("a call of function {} before it", id.0)));
        };
        let module = self
            .context
            .module_expr(body.function.module, function.module)
            .ok_or_else(|| body.outside(format!("function {}", function.name)))?;
        Ok(Callee {
            interface: &written.interface,
            function,
            module,
        })
    }
}

/// A function that is called.
pub(super) struct Callee<'w, 'a> {
    pub(super) interface: &'w Interface,
    pub(super) function: &'a Function,
    /// The expression for its module.
    pub(super) module: String,
}

impl Callee<'_, '_> {
    /// What a caller passes beyond the inputs.
    pub(super) fn extras(&self, scope: &mut Scope<'_>) -> Result<Vec<String>, Error> {
        let extras = self.interface.extras.iter();
        extras.map(|&extra| scope.pass(extra)).collect()
    }
}

/// A function in the making.
pub(super) struct Body<'a> {
    pub(super) function: &'a Function,
    pub(super) scope: Scope<'a>,
    values: Vec<Option<String>>,
}

impl<'a> Body<'a> {
    fn new(context: &'a Context<'a>, function: &'a Function) -> Self {
        let path = context
            .program
            .modules
            .get(function.module.index())
            .map_or("", |module| module.path.as_str());
        let place = if path.is_empty() {
            function.name.clone()
        } else {
            format!("{path}.{}", function.name)
        };
        let mut scope = Scope::new(context, function.module, place);
        scope.extras = Some(Vec::new());
        Self {
            function,
            scope,
            values: vec![None; function.values.len()],
        }
    }

    pub(super) fn value_type(&self, value: ValueId) -> Result<&'a ValueType, Error> {
        self.function
            .values
            .get(value.index())
            .ok_or_else(|| self.malformed(format!("no value %{}", value.0)))
    }

    pub(super) fn define(&mut self, value: ValueId, name: String) -> Result<(), Error> {
        match self.value_type(value)? {
            ValueType::Tensor(ty) => self.scope.define(&name, ty),
            ValueType::Int(symbol) => self.scope.bind(*symbol, &name),
        }
        if let Some(slot) = self.values.get_mut(value.index()) {
            *slot = Some(name);
        }
        Ok(())
    }

    fn name(&self, value: ValueId) -> Option<String> {
        self.values.get(value.index()).cloned().flatten()
    }

    pub(super) fn names_of(&self, values: &[ValueId]) -> Result<Vec<String>, Error> {
        let name = |value: &ValueId| {
            self.name(*value)
                .ok_or_else(|| self.malformed(format!("%{} is used before it is defined", value.0)))
        };
        values.iter().map(name).collect()
    }

    fn operands(&self, values: &[ValueId]) -> Result<Vec<(String, &'a TensorType)>, Error> {
        self.names_of(values)?
            .into_iter()
            .zip(values)
            .map(|(name, &value)| match self.value_type(value)? {
                ValueType::Tensor(ty) => Ok((name, ty)),
                ValueType::Int(SymbolId(_)) => {
                    Err(self.malformed(format!("an operation on the integer %{}", value.0)))
                }
            })
            .collect()
    }

    fn weight(&mut self, id: WeightId) -> Result<String, Error> {
        let context = self.scope.context;
        let Some(weight) = context.program.weights.get(id.index()) else {
            return Err(self.malformed(format!("no weight {}", id.0)));
        };
        if weight.role != WeightRole::Constant {
            return context
                .weight_expr(self.function.module, id)
                .ok_or_else(|| self.outside(format!("weight {}", weight.name)));
        }
        // Constants stay on the processor and keep their type when a model is moved or converted.
        let position = context
            .constants
            .iter()
            .position(|&constant| constant == id)
            .unwrap_or(0);
        let device = self.scope.device();
        let dtype = self.scope.dtype(weight.elem);
        Ok(format!(
            "torch.to(CONSTANTS.c{position}, {device}, {dtype})"
        ))
    }

    pub(super) fn malformed(&self, what: String) -> Error {
        Error::Malformed {
            place: self.scope.place.clone(),
            what,
        }
    }

    fn outside(&self, what: String) -> Error {
        let modules = &self.scope.context.program.modules;
        let module = modules
            .get(self.function.module.index())
            .map_or_else(String::new, |module| module.path.clone());
        Error::OutsideModule {
            place: self.scope.place.clone(),
            what,
            module,
        }
    }
}
