//! Models in PyG's own notation: a list of modules, each with what it takes and returns.

mod header;
mod step;

use std::collections::{BTreeMap, BTreeSet};

use burn::{
    module::{
        Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    },
    tensor::Device,
};
use kiln_core::{
    Named, Signatures, Value,
    signature::{Dim, Type},
};
use kiln_ops::Layer;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::{
    config::{ConfigError, LayerConfig},
    transparent::{MapWith as _, transparent_module},
};
use header::{Header, Input};

pub use step::{Function, FunctionLayer, Step};

/// A module of a [`GraphSequentialConfig`].
///
/// JSON has, as PyG's constructor does, a module, or a list of a module and its header. A module is
/// an object of its class and arguments, or the name of a class that needs none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "StepForm", into = "StepForm")]
pub struct StepConfig {
    /// PyG's or PyTorch's name of the class or function.
    pub class: String,
    /// The arguments of its constructor.
    pub args: Map<String, serde_json::Value>,
    /// What it takes and returns; what the module before it returns if absent.
    pub header: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StepForm {
    Module(ModuleForm),
    Both(ModuleForm, String),
    One([ModuleForm; 1]),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ModuleForm {
    Class(String),
    Call {
        class: String,
        #[serde(flatten)]
        args: Map<String, serde_json::Value>,
    },
}

impl From<StepForm> for StepConfig {
    fn from(form: StepForm) -> Self {
        let (module, header) = match form {
            StepForm::Module(module) | StepForm::One([module]) => (module, None),
            StepForm::Both(module, header) => (module, Some(header)),
        };
        let (class, args) = match module {
            ModuleForm::Class(class) => (class, Map::new()),
            ModuleForm::Call { class, args } => (class, args),
        };
        Self {
            class,
            args,
            header,
        }
    }
}

impl From<StepConfig> for StepForm {
    fn from(config: StepConfig) -> Self {
        let StepConfig {
            class,
            args,
            header,
        } = config;
        let module = ModuleForm::Call { class, args };
        match header {
            Some(header) => Self::Both(module, header),
            None => Self::Module(module),
        }
    }
}

/// Configuration of a [`GraphSequential`].
///
/// ```
/// use burn::tensor::Device;
/// use kiln_nn::{LayerConfig as _, models::GraphSequentialConfig};
///
/// let config: GraphSequentialConfig = serde_json::from_str(r#"{
///     "input_args": "x, edge_index",
///     "modules": [
///         [{"class": "GCNConv", "in_channels": 3, "out_channels": 16}, "x, edge_index -> x"],
///         "ReLU",
///         [{"class": "GCNConv", "in_channels": 16, "out_channels": 5}, "x, edge_index -> x"]
///     ]
/// }"#).unwrap();
/// assert_eq!(config.init(&Device::flex()).steps().count(), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphSequentialConfig {
    /// Names of the model's inputs, separated by commas, and behind a colon their types, of which
    /// only `Optional[..]` and `OptTensor` mean something.
    pub input_args: String,
    /// The modules, in order.
    pub modules: Vec<StepConfig>,
}

impl GraphSequentialConfig {
    /// The headers of all modules, each complete.
    fn headers(&self) -> Result<Vec<Header>, ConfigError> {
        let mut headers: Vec<Header> = Vec::new();
        for (place, step) in self.modules.iter().enumerate() {
            let class = &step.class;
            let header = match (&step.header, headers.last()) {
                (Some(text), _) => Header::parse(text).ok_or_else(|| {
                    let expected = "headers such as `x, edge_index -> x`";
                    error(expected, place, class, &format!("`{text}`"))
                })?,
                (None, Some(last)) => Header {
                    args: last.results.clone(),
                    results: last.results.clone(),
                },
                (None, None) => {
                    let expected = "a header for the first module";
                    return Err(error(expected, place, class, "none"));
                }
            };
            headers.push(header);
        }
        Ok(headers)
    }

    fn inputs(&self) -> Result<Vec<Input>, ConfigError> {
        Input::parse_all(&self.input_args).ok_or_else(|| ConfigError {
            name: "input_args",
            expected: "names such as `x, edge_index`",
            got: format!("`{}`", self.input_args),
        })
    }
}

/// An error in a module.
fn error(expected: &'static str, place: usize, class: &str, got: &str) -> ConfigError {
    ConfigError {
        name: "modules",
        expected,
        got: format!("{got} for {} ({class})", child_name(place)),
    }
}

impl LayerConfig for GraphSequentialConfig {
    type Layer = GraphSequential;

    const REQUIRED: &'static [&'static str] = &["input_args", "modules"];

    fn blank() -> Self {
        Self {
            input_args: String::new(),
            modules: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let some = !self.modules.is_empty();
        ConfigError::unless(some, "modules", "at least one module", "none")?;
        let mut known: BTreeSet<String> =
            self.inputs()?.into_iter().map(|input| input.name).collect();
        for (place, (header, step)) in self.headers()?.into_iter().zip(&self.modules).enumerate() {
            if let Some(name) = header.args.iter().find(|name| !known.contains(*name)) {
                let expected = "names of inputs or of results before";
                return Err(error(expected, place, &step.class, &format!("`{name}`")));
            }
            known.extend(header.results);
        }
        Ok(())
    }

    fn build(&self, device: &Device) -> Result<GraphSequential, ConfigError> {
        self.check()?;
        let mut children = Vec::new();
        for (place, (header, step)) in self.headers()?.into_iter().zip(&self.modules).enumerate() {
            let error = |expected, got: &str| error(expected, place, &step.class, got);
            let module = Step::new(&step.class, &step.args, device)
                .map_err(|got| error("a class or function with its arguments", &got))?;
            if let (Some(names), Some(taken)) = (module.arguments(), module.signatures()) {
                let given = header.args.len();
                if given > names.len() {
                    let got = format!("{given} arguments, where there are {}", names.join(", "));
                    return Err(error("headers with what modules take", &got));
                }
                let mut absent = names.iter().skip(given);
                if let Some(name) = absent.find(|name| taken.is_needed(name)) {
                    let got = format!("no `{name}` behind `{}`", header.args.join(", "));
                    return Err(error("headers with all that modules need", &got));
                }
            }
            children.push(Child { module, header });
        }
        let model = GraphSequential(Children(children), self.clone());
        model.declared()?;
        Ok(model)
    }

    fn make(&self, device: &Device) -> GraphSequential {
        self.build(device).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A module and its header.
#[derive(Clone, Debug)]
struct Child {
    module: Step,
    header: Header,
}

/// The modules, with the names that they have in state dicts: `module_0`, `module_1`, ...
#[derive(Clone, Debug)]
struct Children(Vec<Child>);

fn child_name(place: usize) -> String {
    format!("module_{place}")
}

impl Children {
    fn map_each(self, f: impl Fn(Step) -> Step) -> Self {
        let children = self.0.into_iter();
        let children = children.map(|Child { module, header }| Child {
            module: f(module),
            header,
        });
        Self(children.collect())
    }
}

/// The type that is announced with each module.
const CONTAINER: &str = "Struct:GraphSequential";

impl Module for Children {
    fn collect_devices(&self, devices: Devices) -> Devices {
        let mut children = self.0.iter();
        children
            .try_fold(devices, |devices, child| {
                Some(child.module.collect_devices(devices))
            })
            .unwrap_or_default()
    }

    fn fork(self, device: &Device) -> Self {
        self.map_each(|module| module.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.map_each(|module| module.to_device(device))
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (place, child) in self.0.iter().enumerate() {
            let name = child_name(place);
            visitor.enter_module(&name, CONTAINER);
            child.module.visit(visitor);
            visitor.exit_module(&name, CONTAINER);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let children = self.0.into_iter().enumerate();
        let children = children.map(|(place, Child { module, header })| {
            let name = child_name(place);
            mapper.enter_module(&name, CONTAINER);
            let module = module.map_with(mapper);
            mapper.exit_module(&name, CONTAINER);
            Child { module, header }
        });
        Self(children.collect())
    }

    fn valid(&self) -> Self {
        self.clone().map_each(|module| module.valid())
    }

    fn train(self) -> Self {
        self.map_each(Module::train)
    }

    fn materialize(self) -> Self {
        self.map_each(Module::materialize)
    }
}

impl ModuleDisplayDefault for Children {
    fn content(&self, content: Content) -> Option<Content> {
        let children = self.0.iter().enumerate();
        let content = children.fold(content, |content, (place, child)| {
            content.add(&child_name(place), &child.module)
        });
        content.optional()
    }
}

impl ModuleDisplay for Children {}

/// A model as a list of modules, each with the names of what it takes and returns.
///
/// ```text
/// x, edge_index                               the inputs
/// GCNConv(1433, 16)   x, edge_index -> x      a layer, and what it takes and returns
/// ReLU                                        takes and returns x, as the module before it does
/// GCNConv(16, 7)      x, edge_index -> x
/// ```
///
/// Modules are all layers and models of this crate; of PyTorch `Linear`, activation functions,
/// `Dropout`, `BatchNorm1d` and `LayerNorm`; the functions `global_add_pool`, `global_mean_pool`
/// and `global_max_pool`; and in place of Python's lambdas the functions `list`, `add` and `cat` of
/// any number of arguments. The result is what the last module returns. Inputs have the types that
/// the first module to take them declares, with one node set.
///
/// Matches `torch_geometric.nn.Sequential` (2.8). Departs: modules have the names that PyG gives
/// them in a list, not those of an `OrderedDict`.
///
/// # Shapes
/// As of the modules.
#[derive(Clone, Debug)]
pub struct GraphSequential(Children, GraphSequentialConfig);

transparent_module!(GraphSequential { Self, config });

impl GraphSequential {
    /// The modules, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.0.0.iter().map(|child| &child.module)
    }

    /// What the model was made from.
    pub fn config(&self) -> &GraphSequentialConfig {
        &self.1
    }

    /// The forward pass with values by the names of the inputs.
    ///
    /// # Panics
    /// If a value is missing, or a module does not take what it gets.
    pub fn forward(&self, values: Named) -> Value {
        self.call(values)
    }

    /// The inputs with the types that the modules declare.
    fn declared(&self) -> Result<Signatures, ConfigError> {
        let inputs = self.1.inputs()?;
        // What stands for an input, and for each input the first argument that declares its type.
        let mut origin: BTreeMap<&str, &str> = BTreeMap::new();
        origin.extend(inputs.iter().map(|input| (&*input.name, &*input.name)));
        let mut declared: BTreeMap<&str, Declared> = BTreeMap::new();
        let mut edges: Vec<&str> = Vec::new();
        for (place, Child { module, header }) in self.0.0.iter().enumerate() {
            if let (Some(taken), Some(names)) = (module.signatures(), module.arguments())
                && !module.keeps_type()
            {
                let bound = names.into_iter().zip(&header.args);
                let bound = bound.filter_map(|(of, name)| Some((of, *origin.get(name.as_str())?)));
                let bound: Vec<(String, &str)> = bound.collect();
                let mut symbols = BTreeMap::new();
                for (of, input) in &bound {
                    if let Some(Dim::Symbol(symbol)) = taken.num_edges(of) {
                        if !edges.contains(input) {
                            edges.push(input);
                        }
                        let first = edges.first() == Some(input);
                        let own = if first {
                            "E".to_owned()
                        } else {
                            format!("E_{input}")
                        };
                        symbols.insert(symbol.clone(), own);
                    }
                }
                for (of, input) in bound {
                    declared.entry(input).or_insert_with(|| Declared {
                        place,
                        taken: taken.clone(),
                        of,
                        symbols: symbols.clone(),
                    });
                }
            }
            let kept = header
                .args
                .first()
                .and_then(|name| origin.get(name.as_str()).copied());
            let kept = kept.filter(|_| module.keeps_type());
            for result in &header.results {
                match kept {
                    Some(input) => origin.insert(result, input),
                    None => origin.remove(result.as_str()),
                };
            }
        }
        inputs
            .iter()
            .try_fold(Signatures::new(), |signatures, input| {
                let name = &*input.name;
                let Some(found) = declared.get(name) else {
                    let features = Type::float(["N".into(), "F".into()]);
                    return Ok(signatures.with(name, features));
                };
                let like = (&found.taken, found.of.as_str());
                let symbol = |symbol: &str| {
                    let own = found.symbols.get(symbol);
                    own.cloned().unwrap_or_else(|| symbol.to_owned())
                };
                let with = signatures.with_like(name, like, input.is_optional, symbol);
                with.ok_or_else(|| {
                    let class = &self.1.modules[found.place].class;
                    let expected = "modules that take one node set";
                    error(expected, found.place, class, "one that does not")
                })
            })
    }
}

/// Where an input's type comes from.
struct Declared {
    /// Number of the module.
    place: usize,
    /// What the module takes.
    taken: Signatures,
    /// The module's name of the input.
    of: String,
    /// The model's symbols for the module's.
    symbols: BTreeMap<String, String>,
}

impl Layer for GraphSequential {
    const NAME: &'static str = "Sequential";

    type Config = GraphSequentialConfig;
    type Args = Named;
    type Output = Value;

    fn signatures(&self) -> Signatures {
        self.declared().unwrap_or_else(|error| panic!("{error}"))
    }

    fn compute(&self, mut values: Named) -> Value {
        let children = &self.0.0;
        for (place, Child { module, header }) in children.iter().enumerate() {
            let is_read_later = |name: &str| {
                let later = &children[place + 1..];
                let mut uses = later.iter().map_while(|child| {
                    let args = &child.header.args;
                    let read = args.iter().any(|arg| arg == name);
                    let written = child.header.results.iter().any(|result| result == name);
                    (read || !written).then_some(read)
                });
                uses.any(|read| read)
            };
            let args = header.args.iter();
            let args = args.map(|name| {
                // Or it is written before it is read again, and its memory is free.
                let again = header.args.iter().filter(|other| *other == name).count() > 1;
                if again || is_read_later(name) {
                    values.get(name).cloned().unwrap_or(Value::None)
                } else {
                    values.take(name)
                }
            });
            match (header.results.as_slice(), module.call(args.collect())) {
                ([one], result) => values.put(one, result),
                (names, Value::Tuple(parts)) if names.len() == parts.len() => {
                    for (name, part) in names.iter().zip(parts) {
                        values.put(name, part);
                    }
                }
                (names, got) => panic!(
                    "{}: expected {} results, {}, got {got:?}",
                    child_name(place),
                    names.len(),
                    names.join(", ")
                ),
            }
        }
        let results = children.last().map_or(&[][..], |last| &last.header.results);
        match results {
            [one] => values.take(one),
            several => Value::Tuple(several.iter().map(|name| values.take(name)).collect()),
        }
    }
}
