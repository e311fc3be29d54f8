//! `kiln run`: a method of a file, on the tensors of another.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, anyhow, bail};
use kiln::{
    burn::tensor::{DType, Device},
    core::{AnyTensor, MatmulPrecision, backend, set_matmul_precision},
    ir::{
        Argument, ElemType, Leaf, Literal, Model, ModuleId, Session, Size, TensorType,
        program::{Method, Type},
        validate::{Axis, Binding, SymbolValues},
    },
};

use crate::{
    failure::{WithHint as _, guard},
    indices::{self, Bound},
    inspect::load,
    output::{Spinner, Staged, message, print},
    tensors::{self, GraphFile, HostTensor, Output, Values},
    words,
};

/// Run a .kiln file on a graph
///
/// The graph is a safetensors file whose tensors have the names of the method's inputs, as `kiln
/// inspect` lists them: x, edge_index, edge_weight, batch, ...; the parts of a pair are x.0 and
/// x.1, those of a graph in CSR form edge_index.rowptr, edge_index.col and edge_index.value, and
/// size is two integers, an int or a float one. Numbers, booleans and texts can be given by --set
/// instead; those that choose among variants, such as mode = "mean", only so. Optional inputs may
/// be absent; tensors of other names are ignored. The results are called output, or output.0,
/// output.1, ... where there are several.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kiln run gcn.kiln --graph cora.safetensors
  kiln run gcn.kiln --graph cora.safetensors -o out.safetensors
  kiln run pool.kiln --graph batch.safetensors --set num_graphs=2 --set mode=mean
  kiln run sage.kiln --graph pair.safetensors --method forward__2 --backend cuda:0")]
pub(crate) struct Args {
    /// A .kiln file
    file: PathBuf,

    /// Inputs: a safetensors file
    #[arg(long, value_name = "FILE")]
    graph: PathBuf,

    /// Method to run; of an overloaded one (forward__0, forward__1, ...) the plain name picks the
    /// first variant for which the graph has the inputs
    #[arg(long, value_name = "NAME", default_value = "forward")]
    method: String,

    /// A parameter that is an integer, a float, a boolean or a text
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,

    /// Where to run, such as flex, vulkan or cuda:1 [default: the fastest that is compiled in]
    #[arg(long, value_name = "NAME", value_parser = backend)]
    backend: Option<String>,

    /// How exactly a GPU multiplies matrices of f32: highest (all bits), high (TF32, or two numbers
    /// of bf16 per factor) or medium (bf16)
    #[arg(long, value_name = "NAME", default_value_t)]
    precision: MatmulPrecision,

    /// Where to write the results; without it a summary is printed
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A backend that is compiled in.
fn backend(name: &str) -> Result<String, backend::BackendError> {
    backend::device(name).map(|_| name.to_owned())
}

/// A name and a value.
fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Args {
    /// Runs the subcommand.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let file = self.output.as_deref().map(Staged::new).transpose()?;
        let model = load(&self.file)?;
        let bytes = tensors::read(&self.graph)?;
        let graph = GraphFile::new(&self.graph, &bytes)?;
        let settings: BTreeMap<String, String> = self.settings.into_iter().collect();
        let method = pick(&model, &self.method, &graph, &settings)
            .with_context(|| format!("cannot run {}", self.file.display()))?;
        let inputs = Inputs::read(&model, method, &graph, &settings)
            .and_then(|inputs| inputs.check(&model, method).map(|()| inputs))
            .with_context(|| format!("{} is no input for `{}`", self.graph.display(), method.name))
            .hint(format!(
                "`{}` takes {}",
                words::signature(&model.program, method),
                words::inputs(method)
            ))?;
        let device = device(self.backend.as_deref())?;
        set_matmul_precision(&device, self.precision).context("cannot set the precision")?;
        let outputs = execute(&model, method, inputs, &device)?;
        match (file, self.output) {
            (Some(file), Some(path)) => {
                tensors::write(file.temporary(), &outputs)?;
                let size = file.commit()?;
                message(&format!(
                    "wrote {} ({})",
                    path.display(),
                    words::bytes(size)
                ));
                Ok(())
            }
            _ => print(&words::table(
                &outputs.iter().map(Output::row).collect::<Vec<_>>(),
            )),
        }
    }
}

/// Runs the method on the device and reads its results.
fn execute(
    model: &Model,
    method: &Method,
    inputs: Inputs,
    device: &Device,
) -> anyhow::Result<Vec<Output>> {
    let _spinner = Spinner::start(format!("running {}", method.name));
    let session = Session::new(model, device).context("cannot upload the weights")?;
    let results = session
        .run(&method.name, inputs.upload(device)?)
        .with_context(|| format!("cannot run `{}`", method.name))?;
    let leaves = method.result_leaves();
    let read = |(name, tensor): (String, AnyTensor)| {
        let leaf = leaves.iter().find(|leaf| leaf.name == name);
        let elem = leaf.map_or(ElemType::F32, |leaf| leaf.ty.elem);
        Output::read(name, elem, tensor)
    };
    results.into_iter().map(read).collect()
}

/// The device of a name, opened.
fn device(name: Option<&str>) -> anyhow::Result<Device> {
    if backend::available().is_empty() {
        bail!("this build of kiln has no backend");
    }
    let open = || -> anyhow::Result<Device> {
        let device = match name {
            Some(name) => backend::device(name)?,
            None => backend::default_device(),
        };
        // The first tensor opens the hardware; a driver that is not there panics.
        let probe = HostTensor {
            shape: vec![1],
            values: Values::F32(vec![0.0]),
        };
        Output::read("probe".to_owned(), ElemType::F32, probe.upload(&device)?)?;
        Ok(device)
    };
    let name = name.map_or("the default backend".to_owned(), |name| {
        format!("backend `{name}`")
    });
    guard(open)
        .unwrap_or_else(|panic| Err(anyhow!("{panic}")))
        .with_context(|| format!("{name} cannot be used on this machine"))
        .hint(format!(
            "this build has {}",
            words::or_none(backend::available())
        ))
}

/// The method of a name, or the first of its variants for which the graph has the inputs.
fn pick<'m>(
    model: &'m Model,
    name: &str,
    graph: &GraphFile<'_>,
    settings: &BTreeMap<String, String>,
) -> anyhow::Result<&'m Method> {
    if let Some(method) = model.program.method(name) {
        return Ok(method);
    }
    let methods = model.program.root().map_or(&[][..], |root| &root.methods);
    let variants = methods.iter().filter(|method| method.is_variant_of(name));
    let variants: Vec<&Method> = variants.collect();
    if variants.is_empty() {
        let known: Vec<&str> = methods.iter().map(|method| method.name.as_str()).collect();
        return Err(anyhow!(
            "there is no method `{name}`, expected one of {}",
            known.join(", ")
        ))
        .hint("choose one with --method; `kiln inspect` shows their signatures");
    }
    // A flag asks for more than the plain result, so only its name chooses such a variant.
    let has_flag = |method: &Method| method.params.iter().any(|param| param.ty == Type::Flag);
    let missing = |method: &Method| -> Vec<String> {
        let leaves = method.leaves();
        let required = leaves.iter().filter(|leaf| !leaf.optional);
        let required = required.map(|leaf| leaf.name.as_str());
        let sizes = method.sizes().filter(|size| !size.optional);
        let required = required.chain(sizes.map(|size| size.name));
        let absent = required.filter(|name| !graph.has(name) && !settings.contains_key(*name));
        let chosen = method.literals().filter(|(name, literal)| {
            let given = settings.get(*name);
            given.is_none_or(|given| !is_literal(given, literal))
        });
        let chosen = chosen.map(|(name, literal)| format!("--set {name}={}", bare(literal)));
        absent.map(str::to_owned).chain(chosen).collect()
    };
    let plain: Vec<&Method> = variants
        .into_iter()
        .filter(|method| !has_flag(method))
        .collect();
    if let Some(method) = plain.iter().find(|method| missing(method).is_empty()) {
        return Ok(method);
    }
    let lacks: Vec<String> = plain
        .iter()
        .map(|method| format!("{} lacks {}", method.name, words::or_none(&missing(method))))
        .collect();
    Err(anyhow!(
        "the graph has the inputs of no variant of `{name}`:\n{}\nit has {}",
        lacks.join("\n"),
        graph.contents()
    ))
    .hint("name the tensors as the method's inputs, or choose a variant with --method")
}

/// A boolean or a text as it is given.
fn bare(literal: &Literal) -> String {
    match literal {
        Literal::Bool(value) => value.to_string(),
        Literal::Text(text) => text.clone(),
    }
}

fn is_literal(given: &str, literal: &Literal) -> bool {
    given == bare(literal)
}

/// The inputs of a method, by name.
#[derive(Debug)]
struct Inputs(BTreeMap<String, HostTensor>);

impl Inputs {
    /// Takes the tensors that the method has inputs for, and the numbers that are given.
    fn read(
        model: &Model,
        method: &Method,
        graph: &GraphFile<'_>,
        settings: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let leaves = method.leaves();
        let names: Vec<&str> = leaves
            .iter()
            .map(|leaf| leaf.name.as_str())
            .chain(method.sizes().map(|size| size.name))
            .chain(method.literals().map(|(name, _)| name))
            .collect();
        if let Some(name) = settings.keys().find(|name| !names.contains(&name.as_str())) {
            bail!("there is no parameter `{name}` to set");
        }
        for (name, literal) in method.literals() {
            if let Some(given) = settings.get(name)
                && !is_literal(given, literal)
            {
                bail!("expected {literal} as `{name}`, got {given}");
            }
        }
        let mut inputs = BTreeMap::new();
        for leaf in leaves {
            if let Some(text) = settings.get(&leaf.name) {
                let tensor = float(text, leaf.ty);
                let tensor = tensor.with_context(|| format!("cannot set `{}`", leaf.name))?;
                inputs.insert(leaf.name, tensor);
                continue;
            }
            match graph.tensor(&model.program, &leaf)? {
                Some(tensor) => {
                    inputs.insert(leaf.name, tensor);
                }
                None if leaf.optional => {}
                None => bail!(
                    "there is no tensor `{}`; it has {}",
                    leaf.name,
                    graph.contents()
                ),
            }
        }
        for size in method.sizes() {
            let tensor = match settings.get(size.name) {
                Some(text) => {
                    let values = integers(text, size.symbols.len());
                    Some(values.with_context(|| format!("cannot set `{}`", size.name))?)
                }
                None => graph.size(size.name, size.symbols.len())?,
            };
            match tensor {
                Some(tensor) => {
                    inputs.insert(size.name.to_owned(), tensor);
                }
                None if size.optional => {}
                None => bail!(
                    "there is no integer `{0}`; give it by --set {0}=..",
                    size.name
                ),
            }
        }
        Ok(Self(inputs))
    }

    /// Checks that sizes agree and that indices point to something.
    fn check(&self, model: &Model, method: &Method) -> anyhow::Result<()> {
        let program = &model.program;
        let leaves = method.leaves();
        let optional = leaves.iter().filter(|leaf| leaf.optional);
        let present: Vec<bool> = optional
            .map(|leaf| self.0.contains_key(&leaf.name))
            .collect();
        let methods = program.root().map_or(&[][..], |root| &root.methods);
        let mut methods = methods.iter();
        let method_at = methods.position(|one| one.name == method.name);
        let mut cases = method.cases.iter();
        let case_at = cases.position(|case| case.present == present);
        // A combination of inputs that no case serves is the session's to report.
        let (Some(method_at), Some(case_at)) = (method_at, case_at) else {
            return Ok(());
        };
        let Some(binding) = program.binding(ModuleId(0), method_at, case_at) else {
            return Ok(());
        };
        let function = method.cases[case_at].function;
        let symbols = self.values(method, binding);
        let value_of = |size: &Size| symbols.evaluate(size);
        for leaf in &leaves {
            let Some(tensor) = self.0.get(&leaf.name) else {
                continue;
            };
            let expected: Vec<Option<i64>> = leaf.ty.dims.iter().map(value_of).collect();
            let fits = expected.iter().zip(&tensor.shape).all(|(expected, &got)| {
                expected.is_none_or(|expected| usize::try_from(expected) == Ok(got))
            });
            if !fits {
                let expected: Vec<String> = expected
                    .iter()
                    .map(|dim| dim.map_or_else(|| "?".to_owned(), |dim| dim.to_string()))
                    .collect();
                bail!(
                    "tensor `{}`: expected {} with sizes {}, got {}",
                    leaf.name,
                    words::tensor(program, leaf.ty),
                    words::shape(&expected),
                    words::shape(&tensor.shape)
                );
            }
        }
        let given: Vec<_> = leaves
            .iter()
            .filter_map(|leaf| self.0.get_key_value(&leaf.name))
            .collect();
        for bound in indices::bounds(program, function) {
            if let Some((name, tensor)) = given.get(bound.input) {
                check_indices(name, tensor, &bound, &value_of)?;
            }
        }
        Ok(())
    }

    /// The values of the symbols, as the session will have them.
    fn values(&self, method: &Method, binding: &Binding) -> SymbolValues {
        let leaves = method.leaves();
        let given = |leaf: &Leaf<'_>| self.0.get(&leaf.name);
        let shapes: Vec<&[usize]> = leaves
            .iter()
            .filter_map(|leaf| Some(given(leaf)?.shape.as_slice()))
            .collect();
        let size_of = |Axis { input, axis }: Axis| {
            let size = shapes.get(input).and_then(|shape| shape.get(axis));
            size.map_or(0, |&size| i64::try_from(size).unwrap_or(i64::MAX))
        };
        let size = |name: &str| match self.0.get(name) {
            Some(HostTensor {
                values: Values::Int(values),
                ..
            }) => Some(values.clone()),
            Some(_) | None => None,
        };
        let sizes: Vec<_> = method.sizes().map(|one| size(one.name)).collect();
        binding.values(&size_of, &sizes)
    }

    fn upload(self, device: &Device) -> anyhow::Result<BTreeMap<String, Argument>> {
        self.0
            .into_iter()
            .map(|(name, tensor)| match tensor.upload(device) {
                Ok(tensor) => Ok((name, tensor.into())),
                Err(error) => Err(error.context(format!("tensor `{name}`"))),
            })
            .collect()
    }
}

/// A float for an input that is one.
fn float(text: &str, ty: &TensorType) -> anyhow::Result<HostTensor> {
    let is_float = ty.elem.is_float() && matches!(ty.dims.as_slice(), [dim] if *dim == 1.into());
    if !is_float {
        bail!("it is a tensor, which the graph must have");
    }
    let value: f64 = text
        .parse()
        .with_context(|| format!("expected a float, got {text}"))?;
    let dtype = match ty.elem {
        ElemType::F64 => DType::F64,
        ElemType::F16 => DType::F16,
        ElemType::BF16 => DType::BF16,
        _ => DType::F32,
    };
    Ok(HostTensor {
        shape: vec![1],
        values: Values::Float(vec![value], dtype),
    })
}

/// So many integers, with commas between them.
fn integers(text: &str, count: usize) -> anyhow::Result<HostTensor> {
    let values: Result<Vec<i64>, _> = text.split(',').map(str::parse).collect();
    let values = values.ok().filter(|values| values.len() == count);
    let expected = || match count {
        1 => format!("expected an integer, got {text}"),
        _ => format!("expected {count} integers with commas between them, got {text}"),
    };
    Ok(HostTensor {
        shape: vec![count],
        values: Values::Int(values.with_context(expected)?),
    })
}

/// Checks the values of one input against one bound.
fn check_indices(
    name: &str,
    tensor: &HostTensor,
    bound: &Bound,
    value_of: &dyn Fn(&Size) -> Option<i64>,
) -> anyhow::Result<()> {
    let Values::Int(values) = &tensor.values else {
        return Ok(());
    };
    match indices::violation(bound, values, value_of) {
        None => Ok(()),
        Some(found) => bail!(
            "tensor `{name}`: expected {}, got {} at {}",
            found.expected,
            found.got,
            place(found.position, &tensor.shape)
        ),
    }
}

/// A position in row-major order as one index an axis: `[1, 17]`.
fn place(position: usize, shape: &[usize]) -> String {
    let mut rest = position;
    let mut place: Vec<usize> = Vec::new();
    for &size in shape.iter().rev() {
        place.push(rest % size.max(1));
        rest /= size.max(1);
    }
    place.reverse();
    words::shape(&place)
}
