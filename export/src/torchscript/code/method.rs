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

use kiln_ir::{Method, ModuleId, Param, Size, TensorType, Type, ValueType, leaf::entry_name};

use super::{
    super::error::Error,
    case::{Found, Given, Task, assign, bind, malformed, may_bind, raise, unknown_case},
    function::Written,
    library::Library,
    names::Parameters,
    scope::{Context, Extra, Scope, Visible},
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
    /// The definition of a method.
    pub(super) fn write(&mut self, module: ModuleId, method: &'a Method) -> Result<String, Error> {
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
                    self.tensor(scope, &mut found, name, &label, ty, optional)?;
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
                    scope.line(&format!("  {}", raise(&message)));
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
                    let rowptr_label = format!("{label}.rowptr");
                    self.tensor(
                        scope,
                        &mut found,
                        rowptr_name,
                        &rowptr_label,
                        rowptr,
                        optional,
                    )?;
                    let col_label = format!("{label}.col");
                    self.tensor(scope, &mut found, col_name, &col_label, col, optional)?;
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
        found: &mut Found,
        name: String,
        label: &str,
        ty: &TensorType,
        optional: bool,
    ) -> Result<(), Error> {
        let mut later = false;
        let mut shape = Vec::new();
        for size in &ty.dims {
            let known = size.symbols().iter().all(|symbol| scope.shows(*symbol));
            shape.push(if known {
                scope.size(size)?
            } else {
                // The first axis with a symbol as its size has the right one.
                later |= size.as_symbol().is_none();
                NOT_CHECKED.to_owned()
            });
        }
        self.check_shape(scope, &name, label, &shape);
        scope.define(&name, ty);
        if optional {
            found.present.push(true);
        }
        if later {
            let part = (name.clone(), label.to_owned(), ty.clone());
            found.unchecked.push(part);
        }
        found.tensors.push(name);
        Ok(())
    }

    fn check_shape(&mut self, scope: &mut Scope<'a>, name: &str, label: &str, shape: &[String]) {
        let check = self.library.function("check_shape");
        let (label, shape) = (types::string(label), types::list(shape));
        scope.line(&format!("{check}({name}, {label}, {shape})"));
    }

    /// Checks what was not known of the sizes when the tensors came: those that are sums or
    /// products of symbols, and that no symbol is below 0.
    fn check_rest(
        &mut self,
        scope: &mut Scope<'a>,
        task: &Task<'a>,
        found: &Found,
    ) -> Result<(), Error> {
        for (name, label, ty) in &found.unchecked {
            for symbol in ty.dims.iter().flat_map(Size::symbols) {
                if may_bind(scope, task.method, found, symbol) {
                    bind(scope, task.method, found, symbol)?;
                }
            }
            let mut shape = Vec::new();
            let mut is_open = false;
            for (axis, size) in ty.dims.iter().enumerate() {
                let symbols = size.symbols();
                // Known by now, and not a plain symbol, whose first axis has the right size.
                let is_sum = size.as_symbol().is_none() && !symbols.is_empty();
                let known = symbols.into_iter().all(|symbol| scope.shows(symbol));
                let text = if is_sum && known {
                    scope.size(size)?
                } else {
                    NOT_CHECKED.to_owned()
                };
                let is_exact = scope.is_exact(name, axis);
                is_open |= text != NOT_CHECKED && !is_exact;
                shape.push(if is_exact {
                    NOT_CHECKED.to_owned()
                } else {
                    text
                });
            }
            if is_open {
                self.check_shape(scope, name, label, &shape);
            }
        }
        for (symbol, name) in std::mem::take(&mut scope.visible.computed) {
            let check = self.library.function("check_count");
            let label = scope.context.program.symbol_name(symbol);
            let label = types::string(&label);
            scope.line(&format!("{check}({name}, {label})"));
        }
        Ok(())
    }

    /// Checks that integers that are given are those that the inputs show.
    fn check_given(&mut self, scope: &mut Scope<'a>, given: &Given) -> Result<(), Error> {
        if !given.symbols.iter().all(|symbol| scope.shows(*symbol)) {
            return Ok(());
        }
        let mut expected = Vec::with_capacity(given.symbols.len());
        for symbol in &given.symbols {
            expected.push(scope.symbol(*symbol)?);
        }
        let name = &given.name;
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

    /// Checks, calls the function of a case, and assigns its result; or raises.
    fn case(&mut self, scope: &mut Scope<'a>, task: &Task<'a>, found: &Found) -> Result<(), Error> {
        let Some(case) = task
            .method
            .cases
            .iter()
            .find(|case| case.present == found.present)
        else {
            refuse(scope, task);
            return Ok(());
        };
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
        for symbol in wanted.collect::<Vec<_>>() {
            bind(scope, task.method, found, symbol)?;
        }
        for given in found.sizes.iter().filter(|given| !given.optional) {
            for symbol in &given.symbols {
                bind(scope, task.method, found, *symbol)?;
            }
        }
        self.check_rest(scope, task, found)?;
        for given in &found.sizes {
            self.check_given(scope, given)?;
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
    scope.line(&raise(&unknown_case(task.method)));
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
