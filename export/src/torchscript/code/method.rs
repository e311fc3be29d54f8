//! Methods that a user calls: structured arguments, checked and taken apart.
//!
//! A method tests which optional arguments are present, checks shapes, finds the integers that
//! the chosen function wants, calls it, and puts the results into their structure:
//!
//! ```text
//! def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Optional[Tensor]=None) -> Tensor:
//!     __torch__.kiln.ops.check_shape(x, "x", [-1, 16])
//!     if edge_weight is None:
//!       out = self._forward(x, edge_index)
//!     else:
//!       ...
//!     return out
//! ```

use std::collections::VecDeque;

use kiln_ir::{
    Method, ModuleId, Param, Size, SymbolId, TensorType, Type, ValueType, leaf::entry_name,
};

use super::{
    super::error::Error,
    binding::CaseBinding,
    case::{Task, assign, malformed, unknown_case},
    found::{Found, Given, Unchecked},
    function::Written,
    library::Library,
    names::Parameters,
    scope::{Context, Extra, Scope, Value, Visible, may_be_negative, size_of},
    types,
};

/// What writing the methods of a module needs to know.
pub(super) struct Writer<'a, 'b> {
    /// The program.
    pub(super) context: &'a Context<'a>,
    /// All functions.
    pub(super) written: &'b [Written],
    /// Where the functions used are noted.
    pub(super) library: &'b mut Library,
    /// The parameters of the module's methods.
    pub(super) parameters: &'b Parameters,
}

/// Stands for a size that may be any.
const NOT_CHECKED: &str = "-1";

/// An argument, or a part of one, that is not taken apart yet.
#[derive(Clone)]
struct Item<'a> {
    /// Expression.
    name: String,
    /// Name in messages.
    label: String,
    part: Part<'a>,
    /// Whether it lies in an optional value; then its tensors count for the choice of the case.
    optional: bool,
}

/// What an [`Item`] is.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// A value of a type.
    Whole(&'a Type),
    /// A tensor.
    Tensor(&'a TensorType),
    /// A tensor that may be absent: the values of an adjacency.
    Maybe(&'a TensorType),
}

/// Parameters of a method in order: name, type, and `=` with the default, or nothing.
pub(super) fn parameters(names: &Parameters, params: &[Param]) -> Vec<(String, String, String)> {
    let mut all_default = true;
    let mut list: Vec<_> = params
        .iter()
        .rev()
        .map(|param| {
            let default = match &param.ty {
                Type::Optional(_) | Type::Size(_) => Some("=None".to_owned()),
                Type::Flag => Some("=True".to_owned()),
                Type::Literal(literal) => Some(format!("={}", types::literal(literal))),
                Type::Tensor(_)
                | Type::Adjacency(_)
                | Type::Tuple(_)
                | Type::Dict(_)
                | Type::List(_)
                | Type::Int(_)
                | Type::Float(_) => None,
            };
            all_default &= default.is_some();
            let default = default.filter(|_| all_default).unwrap_or_default();
            (
                names.identifier(&param.name).to_owned(),
                types::type_text(&param.ty),
                default,
            )
        })
        .collect();
    list.reverse();
    list
}

impl<'a> Writer<'a, '_> {
    /// The definition of a method, which stands at a position in its module.
    pub(super) fn write(
        &mut self,
        module: ModuleId,
        position: usize,
        method: &'a Method,
    ) -> Result<String, Error> {
        let path = self
            .context
            .program
            .modules
            .get(module.index())
            .map_or("", |module| &module.path);
        let place = if path.is_empty() {
            method.name.clone()
        } else {
            format!("{path}.{}", method.name)
        };
        if !types::is_identifier(&method.name) {
            return Err(Error::Unsupported {
                place,
                what: "a method of this name".to_owned(),
            });
        }
        let types = method.params.iter().map(|param| &param.ty);
        if !types.chain([&method.result]).all(types::is_uniform) {
            return Err(Error::Unsupported {
                place,
                what: "a dictionary or list of values of several types".to_owned(),
            });
        }
        let mut scope = Scope::new(self.context, module, place);
        let parameters = parameters(self.parameters, &method.params);
        for (name, ..) in &parameters {
            scope.names.fresh(name);
        }
        let items = parameters
            .iter()
            .zip(&method.params)
            .map(|((name, ..), param)| Item {
                name: name.clone(),
                label: name.clone(),
                part: Part::Whole(&param.ty),
                optional: false,
            })
            .collect();
        let out = scope.names.fresh("out");
        let result = types::type_text(&method.result);
        let task = Task {
            method,
            bindings: CaseBinding::all(self.context, module, position, method),
            module,
            out: out.clone(),
            result: result.clone(),
        };
        self.take_apart(&mut scope, &task, items, Found::default())?;
        scope.line(&format!("return {out}"));
        let list = |(name, ty, default): &(String, String, String)| {
            format!(",\n    {name}: {ty}{default}")
        };
        let list: String = parameters.iter().map(list).collect();
        Ok(format!(
            "  def {}(self{list}) -> {result}:\n{}",
            method.name,
            scope.text()
        ))
    }

    /// Takes the arguments apart, checks the tensors inside, and chooses the case.
    fn take_apart(
        &mut self,
        scope: &mut Scope<'a>,
        task: &Task<'a>,
        mut items: VecDeque<Item<'a>>,
        mut found: Found,
    ) -> Result<(), Error> {
        // No case goes on from here: the tests of the other arguments would all end so.
        let mut cases = task.method.cases.iter();
        if !cases.any(|case| case.present.starts_with(&found.present)) {
            refuse(scope, task);
            return Ok(());
        }
        while let Some(item) = items.pop_front() {
            let Item {
                name,
                label,
                part,
                optional,
            } = item;
            match part {
                Part::Whole(Type::Tensor(ty)) | Part::Tensor(ty) => {
                    self.tensor(scope, task, &mut found, name, &label, ty, optional)?;
                }
                Part::Whole(Type::Size(_) | Type::Int(_)) => {
                    found.sizes.extend(given(name, part, false));
                }
                Part::Whole(Type::Optional(inner)) if matches!(**inner, Type::Int(_)) => {
                    found.sizes.extend(given(name, Part::Whole(inner), true));
                }
                Part::Whole(Type::Flag) => {}
                Part::Whole(Type::Float(ty)) => {
                    found.floats.push((found.tensors.len(), ty.clone()));
                    found.tensors.push(name);
                    if optional {
                        found.present.push(true);
                    }
                }
                Part::Whole(Type::Literal(literal)) => {
                    let value = types::literal(literal);
                    scope.line(&format!("if {name} != {value}:"));
                    let message = format!("expected {label} to be {value}");
                    scope.line(&format!("  {}", types::raise(&message)));
                    scope.line("else:");
                    scope.line("  pass");
                }
                Part::Whole(Type::Tuple(types)) => {
                    let labels: Vec<String> = (0..types.len())
                        .map(|position| format!("{label}.{position}"))
                        .collect();
                    let names: Vec<String> = labels
                        .iter()
                        .map(|label| scope.names.fresh(label))
                        .collect();
                    scope.line(&format!("{}, = {name}", names.join(", ")));
                    for ((ty, label), name) in types.iter().zip(labels).zip(names).rev() {
                        items.push_front(Item {
                            name,
                            label,
                            part: Part::Whole(ty),
                            optional,
                        });
                    }
                }
                Part::Whole(Type::List(types)) => {
                    let check = self.library.function("check_length");
                    let (text, count) = (types::string(&label), types.len());
                    scope.line(&format!("{check}(torch.len({name}), {text}, {count})"));
                    let mut parts = Vec::with_capacity(types.len());
                    for (position, ty) in types.iter().enumerate() {
                        let label = format!("{label}.{position}");
                        let part = scope.names.fresh(&label);
                        scope.line(&format!("{part} = {name}[{position}]"));
                        parts.push(Item {
                            name: part,
                            label,
                            part: Part::Whole(ty),
                            optional,
                        });
                    }
                    for part in parts.into_iter().rev() {
                        items.push_front(part);
                    }
                }
                Part::Whole(Type::Dict(entries)) => {
                    let parts = self.entries(scope, &name, &label, entries, optional);
                    for part in parts.into_iter().rev() {
                        items.push_front(part);
                    }
                }
                Part::Whole(Type::Adjacency(parts)) => {
                    let [rowptr, col, values] = &**parts;
                    let names = ["rowptr", "col", "value"].map(|part| scope.names.fresh(part));
                    scope.line(&format!("{}, = {name}", names.join(", ")));
                    let [rowptr_name, col_name, value_name] = names;
                    for (name, part, ty) in
                        [(rowptr_name, "rowptr", rowptr), (col_name, "col", col)]
                    {
                        let label = format!("{label}.{part}");
                        self.tensor(scope, task, &mut found, name, &label, ty, optional)?;
                    }
                    items.push_front(Item {
                        name: value_name,
                        label: format!("{label}.value"),
                        part: Part::Maybe(values),
                        optional,
                    });
                }
                Part::Whole(Type::Optional(inner)) => {
                    let leaves = inner.leaves("").len();
                    let given = Item {
                        name,
                        label,
                        part: Part::Whole(inner),
                        optional: true,
                    };
                    return self.branch(scope, task, items, found, leaves, given);
                }
                Part::Maybe(ty) => {
                    let given = Item {
                        name,
                        label,
                        part: Part::Tensor(ty),
                        optional: true,
                    };
                    return self.branch(scope, task, items, found, 1, given);
                }
            }
        }
        self.case(scope, task, &found)
    }

    /// The values of a dictionary, which must have the keys of all that are not optional, and no
    /// others. One that is absent has no key.
    fn entries(
        &mut self,
        scope: &mut Scope<'a>,
        name: &str,
        label: &str,
        entries: &'a [(String, Type)],
        optional: bool,
    ) -> Vec<Item<'a>> {
        let keys = |wanted: bool| {
            let is_wanted = |ty: &Type| matches!(ty, Type::Optional(_)) == wanted;
            let keys = entries.iter().filter(|(_, ty)| is_wanted(ty));
            let keys: Vec<String> = keys.map(|(key, _)| types::string(key)).collect();
            if keys.is_empty() {
                "annotate(List[str], [])".to_owned()
            } else {
                types::list(&keys)
            }
        };
        let check = self.library.function("check_keys");
        let (text, needed, others) = (types::string(label), keys(false), keys(true));
        scope.line(&format!(
            "{check}(torch.keys({name}), {text}, {needed}, {others})"
        ));
        let mut items = Vec::with_capacity(entries.len());
        for (key, ty) in entries {
            let quoted = types::string(key);
            let value = match ty {
                Type::Optional(_) => format!("torch.get({name}, {quoted})"),
                _ => format!("{name}[{quoted}]"),
            };
            let name = scope.names.fresh(&format!("{name}_{key}"));
            scope.line(&format!("{name} = {value}"));
            items.push(Item {
                name,
                label: entry_name(label, key),
                part: Part::Whole(ty),
                optional,
            });
        }
        items
    }

    /// Goes on in two branches: one where a value is `None` and its tensors are absent, and one
    /// where it is given.
    fn branch(
        &mut self,
        scope: &mut Scope<'a>,
        task: &Task<'a>,
        mut items: VecDeque<Item<'a>>,
        found: Found,
        leaves: usize,
        given: Item<'a>,
    ) -> Result<(), Error> {
        let visible: Visible = scope.visible.clone();
        let mut absent = found.clone();
        absent.present.extend((0..leaves).map(|_| false));
        scope.line(&format!("if {} is None:", given.name));
        scope.indent += 1;
        self.take_apart(scope, task, items.clone(), absent)?;
        scope.indent -= 1;
        scope.visible.clone_from(&visible);
        scope.line("else:");
        scope.indent += 1;
        items.push_front(given);
        self.take_apart(scope, task, items, found)?;
        scope.indent -= 1;
        scope.visible = visible;
        Ok(())
    }

    /// Checks the sizes of a tensor that are fixed, or shown by earlier arguments, and makes it
    /// known.
    fn tensor(
        &mut self,
        scope: &mut Scope<'a>,
        task: &Task<'a>,
        found: &mut Found,
        name: String,
        label: &str,
        ty: &TensorType,
        optional: bool,
    ) -> Result<(), Error> {
        if optional {
            found.present.push(true);
        }
        // Cases that are alike so far have the same inputs so far.
        let is_open = |one: &&CaseBinding<'_>| one.case.present.starts_with(&found.present);
        let binding = task.bindings.iter().find(is_open);
        let shown = binding.map(|binding| binding.shown(found.tensors.len()));
        let shown: Vec<_> = shown.into_iter().flatten().collect();
        let mut rest = Vec::new();
        let mut shape = Vec::new();
        for (axis, size) in ty.dims.iter().enumerate() {
            if size.symbols().iter().all(|symbol| scope.shows(*symbol)) {
                shape.push(self.checked_size(scope, size)?);
                continue;
            }
            shape.push(NOT_CHECKED.to_owned());
            if !shown.iter().any(|(_, other)| other.axis == axis) {
                rest.push((axis, size.clone()));
            }
        }
        self.check_shape(scope, &name, label, &shape);
        scope.define(&name, ty);
        for (symbol, axis) in shown {
            let value = Value::Axis(size_of(&name, axis.axis));
            scope.visible.steps.insert(symbol, value);
        }
        if !rest.is_empty() {
            found.unchecked.push(Unchecked {
                name: name.clone(),
                label: label.to_owned(),
                rank: ty.dims.len(),
                dims: rest,
            });
        }
        found.tensors.push(name);
        Ok(())
    }

    /// An expression for the size that an axis must have. What could be below 0 is checked before,
    /// since no axis is.
    fn checked_size(&mut self, scope: &mut Scope<'a>, size: &Size) -> Result<String, Error> {
        let text = scope.size(size)?;
        if may_be_negative(size) && size.as_fixed().is_none() {
            let check = self.library.function("check_count");
            let program = scope.context.program;
            let label = size.text(&|symbol| program.symbol_name(symbol).into_owned());
            let label = types::string(&label);
            scope.line(&format!("{check}({text}, {label})"));
        }
        Ok(text)
    }

    fn check_shape(&mut self, scope: &mut Scope<'a>, name: &str, label: &str, shape: &[String]) {
        let check = self.library.function("check_shape");
        let (label, shape) = (types::string(label), types::list(shape));
        scope.line(&format!("{check}({name}, {label}, {shape})"));
    }

    /// Checks what was not known of the sizes when the tensors came, and that no symbol is below 0.
    fn check_rest(&mut self, scope: &mut Scope<'a>, found: &Found) -> Result<(), Error> {
        for tensor in &found.unchecked {
            let mut shape = vec![NOT_CHECKED.to_owned(); tensor.rank];
            let mut is_open = false;
            for (axis, size) in &tensor.dims {
                for symbol in size.symbols() {
                    scope.symbol(symbol)?;
                }
                if scope.is_exact(&tensor.name, *axis) {
                    continue;
                }
                let text = self.checked_size(scope, size)?;
                if let Some(slot) = shape.get_mut(*axis) {
                    *slot = text;
                    is_open = true;
                }
            }
            if is_open {
                self.check_shape(scope, &tensor.name, &tensor.label, &shape);
            }
        }
        for (symbol, name) in std::mem::take(&mut scope.visible.computed) {
            self.check_count(scope, &name, symbol);
        }
        Ok(())
    }

    fn check_int(&mut self, scope: &mut Scope<'a>, name: &str, expected: &str) {
        let (check, label) = (self.library.function("check_int"), types::string(name));
        scope.line(&format!("{check}({name}, {label}, {expected})"));
    }

    fn check_count(&mut self, scope: &mut Scope<'a>, name: &str, symbol: SymbolId) {
        let check = self.library.function("check_count");
        let label = scope.context.program.symbol_name(symbol);
        let label = types::string(&label);
        scope.line(&format!("{check}({name}, {label})"));
    }

    /// Checks that integers that are given are those that the inputs show; `before` has the
    /// arguments that are integers before this one.
    fn check_given(
        &mut self,
        scope: &mut Scope<'a>,
        given: &Given,
        before: &[Given],
    ) -> Result<(), Error> {
        let name = &given.name;
        if !given.symbols.iter().all(|symbol| scope.shows(*symbol)) {
            return self.check_parts(scope, given, before);
        }
        let mut expected = Vec::with_capacity(given.symbols.len());
        for symbol in &given.symbols {
            expected.push(scope.symbol(*symbol)?);
        }
        if expected.as_slice() == [name.as_str()] {
            return Ok(());
        }
        let check = if given.is_pair {
            "check_nodes"
        } else {
            "check_int"
        };
        let check = self.library.function(check);
        let (label, expected) = (types::string(name), expected.join(", "));
        scope.line(&format!("{check}({name}, {label}, {expected})"));
        Ok(())
    }

    /// The same for integers of which nothing that is used depends on one: it may have any value
    /// that a size can have, if no other argument is the same symbol.
    fn check_parts(
        &mut self,
        scope: &mut Scope<'a>,
        given: &Given,
        before: &[Given],
    ) -> Result<(), Error> {
        let mut expected = Vec::with_capacity(given.symbols.len());
        for &symbol in &given.symbols {
            let is_shown = scope.shows(symbol);
            expected.push(is_shown.then(|| scope.symbol(symbol)).transpose()?);
        }
        scope.line(&format!("if {} is None:", given.name));
        scope.line("  pass");
        scope.line("else:");
        scope.indent += 1;
        for ((part, symbol), expected) in given.symbols.iter().enumerate().zip(expected) {
            let part = given.part(part);
            if let Some(expected) = expected {
                self.check_int(scope, &part, &expected);
                continue;
            }
            self.check_count(scope, &part, *symbol);
            for other in before {
                let mut same = other.symbols.iter();
                if let Some(same) = same.position(|other| other == symbol) {
                    scope.line(&format!("if {} is None:", other.name));
                    scope.line("  pass");
                    scope.line("else:");
                    scope.indent += 1;
                    self.check_int(scope, &part, &other.part(same));
                    scope.indent -= 1;
                }
            }
        }
        scope.indent -= 1;
        Ok(())
    }

    /// Checks, calls the function of a case, and assigns its result; or raises.
    fn case(&mut self, scope: &mut Scope<'a>, task: &Task<'a>, found: &Found) -> Result<(), Error> {
        let mut bindings = task.bindings.iter();
        let Some(binding) = bindings.find(|one| one.case.present == found.present) else {
            refuse(scope, task);
            return Ok(());
        };
        let case = binding.case;
        let (Some(function), Some(written)) = (
            self.context.program.functions.get(case.function.index()),
            self.written.get(case.function.index()),
        ) else {
            return Err(malformed(scope, format!("no function {}", case.function.0)));
        };
        let inputs: Vec<&ValueType> = function
            .inputs
            .iter()
            .filter_map(|value| function.values.get(value.index()))
            .collect();
        let extras = &written.interface.extras;
        let wanted = inputs.iter().filter_map(|ty| match ty {
            ValueType::Int(symbol) => Some(*symbol),
            ValueType::Tensor(_) => None,
        });
        let wanted = wanted.chain(extras.iter().filter_map(|extra| match extra {
            Extra::Symbol(symbol) => Some(*symbol),
            Extra::Dtype(_) | Extra::Device => None,
        }));
        let dims = found.unchecked.iter().flat_map(|tensor| &tensor.dims);
        let wanted = wanted.chain(dims.flat_map(|(_, size)| size.symbols()));
        binding.bind(scope, task.method, found, &wanted.collect::<Vec<_>>())?;
        self.check_rest(scope, found)?;
        for (position, given) in found.sizes.iter().enumerate() {
            let before = found.sizes.get(..position).unwrap_or_default();
            self.check_given(scope, given, before)?;
        }
        let mut tensors = found.tensors.clone();
        for (position, ty) in &found.floats {
            if let Some(name) = tensors.get_mut(*position) {
                *name = float_tensor(scope, name, ty);
            }
        }
        let mut tensors = tensors.into_iter();
        let mut arguments = Vec::new();
        for ty in inputs {
            arguments.push(match ty {
                ValueType::Int(symbol) => scope.symbol(*symbol)?,
                ValueType::Tensor(_) => tensors
                    .next()
                    .ok_or_else(|| malformed(scope, "fewer tensors than inputs".to_owned()))?,
            });
        }
        for &extra in extras {
            arguments.push(scope.pass(extra)?);
        }
        let module = self
            .context
            .module_expr(task.module, function.module)
            .ok_or_else(|| malformed(scope, format!("{} is elsewhere", function.name)))?;
        let call = written.interface.call(&module, &arguments);
        assign(scope, task, case, function.outputs.len(), &call)
    }
}

/// Raises an error for optional arguments that no case takes.
fn refuse(scope: &mut Scope<'_>, task: &Task<'_>) {
    scope.line(&types::raise(&unknown_case(task.method)));
    scope.line(&format!("{} = uninitialized({})", task.out, task.result));
}

/// An argument that is one integer or a pair; nothing for others.
fn given(name: String, part: Part<'_>, optional: bool) -> Option<Given> {
    let (symbols, is_pair) = match part {
        Part::Whole(Type::Size(symbols)) => (symbols.to_vec(), true),
        Part::Whole(Type::Int(symbol)) => (vec![*symbol], false),
        Part::Whole(_) | Part::Tensor(_) | Part::Maybe(_) => return None,
    };
    Some(Given {
        name,
        symbols,
        is_pair,
        optional: optional || is_pair,
    })
}

/// Makes a tensor of a float, of the type that floats have now, and gives it a name.
fn float_tensor(scope: &mut Scope<'_>, name: &str, ty: &TensorType) -> String {
    let (dtype, device) = (scope.dtype(ty.elem), scope.device());
    let tensor = scope.names.fresh(name);
    scope.line(&format!(
        "{tensor} = torch.full([1], {name}, dtype={dtype}, layout=None, device={device})"
    ));
    scope.define(&tensor, ty);
    tensor
}
