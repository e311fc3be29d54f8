//! The module tree: weights under their `state_dict` names, and the modules that hold them.

use std::collections::HashMap;

use burn::{
    module::{Module as BurnModule, ModuleVisitor, Param, ParamId},
    tensor::{Bool, Int, Tensor, TensorData},
};

use super::lift;
use crate::{
    program::{ElemType, Module, ModuleId, Weight, WeightId, WeightRole},
    weights::{WeightData, Weights},
};

/// Modules and weights of a program under construction.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
    pub(super) weights: Vec<Weight>,
    pub(super) values: Weights,
    /// Weights of each parameter, one for each module that has it, and whether the program holds
    /// them transposed.
    params: HashMap<ParamId, Vec<(WeightId, bool)>>,
    /// Paths of each parameter in the module's own names.
    paths: HashMap<ParamId, Vec<String>>,
    by_path: HashMap<String, ModuleId>,
}

impl Tree {
    /// The tree of a Burn module whose class name is `kind`.
    pub(super) fn new<M: BurnModule>(module: &M, kind: &str) -> Self {
        let mut tree = Self::default();
        tree.module("", kind);
        // Which parameters are trained shows only with gradients on; values are read without.
        let mut trained = Trained::default();
        module.clone().train().visit(&mut trained);
        let mut collector = Collector {
            tree: &mut tree,
            trained: trained.0,
            path: Vec::new(),
            kinds: Vec::new(),
        };
        module.valid().visit(&mut collector);
        tree
    }

    /// The module at a path, made with its ancestors if it is new. `kind` names its class unless it
    /// has one that a layer gave it.
    pub(super) fn module(&mut self, path: &str, kind: &str) -> ModuleId {
        if let Some(&id) = self.by_path.get(path) {
            return id;
        }
        let id = ModuleId::from_index(self.modules.len());
        self.modules.push(Module {
            path: path.to_owned(),
            kind: kind.to_owned(),
            children: Vec::new(),
            weights: Vec::new(),
            methods: Vec::new(),
        });
        self.by_path.insert(path.to_owned(), id);
        if !path.is_empty() {
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            let parent = self.module(parent, "Module");
            self.modules[parent.index()].children.push(id);
        }
        id
    }

    /// Path of the module instance that has the given parameters (with their paths inside it).
    pub(super) fn instance(&self, params: &[(ParamId, String)]) -> Option<String> {
        let paths = |id: &ParamId| self.paths.get(id).map_or(&[][..], Vec::as_slice);
        let around = |path: &String, inside: &str| {
            let path = path.strip_suffix(inside)?;
            Some(path.strip_suffix('.').unwrap_or(path).to_owned())
        };
        // Tied parameters are at several places, of which one has all that the module has.
        let has_all = |place: &String| {
            params.iter().all(|(id, inside)| {
                let mut found = paths(id).iter();
                found.any(|path| around(path, inside).as_ref() == Some(place))
            })
        };
        let places = || {
            let all = params.iter();
            all.flat_map(|(id, inside)| paths(id).iter().filter_map(|path| around(path, inside)))
        };
        places().find(has_all).or_else(|| places().next())
    }

    /// Weight of a parameter in one of the modules that have it, and whether the program holds it
    /// transposed.
    pub(super) fn param(&self, id: ParamId, occurrence: usize) -> Option<(WeightId, bool)> {
        let weights = self.params.get(&id)?;
        weights.get(occurrence).or_else(|| weights.last()).copied()
    }

    /// Element type of a parameter in the program.
    pub(super) fn elem(&self, id: ParamId, occurrence: usize) -> Option<ElemType> {
        let (weight, _) = self.param(id, occurrence)?;
        Some(self.weights.get(weight.index())?.elem)
    }

    /// Gives a weight of integers another type of integers; the error says why it cannot have it.
    pub(super) fn retype(&mut self, name: &str, elem: ElemType) -> Result<(), String> {
        let position = self.weights.iter().position(|weight| weight.name == name);
        let position = position.ok_or_else(|| "the module has no such weight".to_owned())?;
        let stored = match self.weights[position].tied {
            Some(first) => first.index(),
            None => position,
        };
        let weight = &self.weights[stored];
        if !elem.is_int() || !weight.elem.is_int() {
            return Err(format!("{} cannot become {elem}", weight.elem));
        }
        let (name, shape) = (weight.name.clone(), weight.shape.clone());
        let mut bytes = Vec::new();
        for value in self.values.get(&name).map_or_else(Vec::new, integers) {
            if !elem.has_integer(value) {
                return Err(format!("{value} is no {elem}"));
            }
            let width = usize::try_from(elem.size_bytes()).unwrap_or_default();
            bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        let inserted = self.values.insert(name, elem, shape, bytes);
        inserted.map_err(|error| error.to_string())?;
        for (at, weight) in self.weights.iter_mut().enumerate() {
            if at == stored || weight.tied.is_some_and(|first| first.index() == stored) {
                weight.elem = elem;
            }
        }
        Ok(())
    }

    /// Stores a parameter in the layout that the module has.
    pub(super) fn keep_layout(&mut self, id: ParamId) {
        for (weight, transposed) in self.params.get_mut(&id).into_iter().flatten() {
            if *transposed {
                *transposed = false;
                turn(&mut self.weights, &mut self.values, *weight);
            }
        }
    }

    /// Adds a constant tensor.
    pub(super) fn constant(&mut self, data: &TensorData) -> Option<WeightId> {
        let count = self
            .weights
            .iter()
            .filter(|w| w.role == WeightRole::Constant)
            .count();
        self.push(
            format!("constant.{count}"),
            WeightRole::Constant,
            data,
            false,
        )
    }

    fn push(
        &mut self,
        name: String,
        role: WeightRole,
        data: &TensorData,
        transposed: bool,
    ) -> Option<WeightId> {
        let elem = lift::data_elem(data.dtype())?;
        let mut shape: Vec<u64> = data
            .shape()
            .iter()
            .map(|&n| u64::try_from(n).unwrap_or(u64::MAX))
            .collect();
        let mut bytes = encode(data, elem);
        if transposed {
            bytes = transpose(&bytes, data.shape()[0], data.shape()[1]);
            shape.reverse();
        }
        let id = WeightId(u32::try_from(self.weights.len()).ok()?);
        self.values
            .insert(name.clone(), elem, shape.clone(), bytes)
            .ok()?;
        self.weights.push(Weight {
            name,
            role,
            elem,
            shape,
            tied: None,
        });
        Some(id)
    }

    /// Makes a module at `path` that has the parameters of the one at `with`, unless there is one.
    pub(super) fn tie_module(&mut self, path: &str, with: &str) {
        let Some(&with) = self.by_path.get(with) else {
            return;
        };
        if self.by_path.contains_key(path) {
            return;
        }
        let of = self.modules[with.index()].clone();
        let module = self.module(path, &of.kind);
        for weight in of.weights {
            let described = &self.weights[weight.index()];
            let own = described.name.rsplit('.').next().unwrap_or_default();
            let (name, first) = (kiln_core::leaf_name(path, own), described.tied);
            let Some(tied) = self.tie(name, first.unwrap_or(weight)) else {
                return;
            };
            self.modules[module.index()].weights.push(tied);
            // Both change their layout together.
            let is_it = |(id, _): &(WeightId, bool)| *id == weight;
            let mut params = self.params.values_mut();
            if let Some(places) = params.find(|places| places.iter().any(is_it)) {
                let (_, transposed) = places[0];
                places.push((tied, transposed));
            }
        }
        for child in of.children {
            let with = self.modules[child.index()].path.clone();
            let name = with.rsplit('.').next().unwrap_or_default();
            self.tie_module(&kiln_core::leaf_name(path, name), &with);
        }
    }

    /// A second name of a weight's tensor.
    fn tie(&mut self, name: String, to: WeightId) -> Option<WeightId> {
        let id = WeightId(u32::try_from(self.weights.len()).ok()?);
        let first = self.weights.get(to.index())?.clone();
        self.weights.push(Weight {
            name,
            tied: Some(to),
            ..first
        });
        Some(id)
    }

    fn add(&mut self, id: ParamId, weight: WeightId, transposed: bool) {
        let weights = self.params.entry(id).or_default();
        weights.push((weight, transposed));
    }
}

/// Little-endian bytes in PyTorch's element types; booleans take one byte.
fn encode(data: &TensorData, elem: ElemType) -> Vec<u8> {
    match elem {
        ElemType::U8 => data.iter::<u8>().collect(),
        ElemType::I32 => data.iter::<i32>().flat_map(i32::to_le_bytes).collect(),
        ElemType::I64 => data.iter::<i64>().flat_map(i64::to_le_bytes).collect(),
        ElemType::Bool => data.iter::<bool>().map(u8::from).collect(),
        ElemType::F32 => data.iter::<f32>().flat_map(f32::to_le_bytes).collect(),
        ElemType::F64 => data.iter::<f64>().flat_map(f64::to_le_bytes).collect(),
        ElemType::F16 | ElemType::BF16 => data.bytes().to_vec(),
    }
}

/// The values of a weight of integers.
fn integers(data: WeightData<'_>) -> Vec<i64> {
    let width = usize::try_from(data.elem.size_bytes()).unwrap_or(1);
    let signed = data.elem != ElemType::U8;
    let value = |bytes: &[u8]| {
        let is_negative = signed && bytes.last().is_some_and(|byte| *byte >= 0x80);
        let mut whole = [if is_negative { 0xff } else { 0 }; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        i64::from_le_bytes(whole)
    };
    data.bytes.chunks_exact(width).map(value).collect()
}

/// Swaps the axes of a matrix; the values of a tied one are elsewhere.
fn turn(weights: &mut [Weight], values: &mut Weights, weight: WeightId) {
    let Some(described) = weights.get_mut(weight.index()) else {
        return;
    };
    let before = described.shape.clone();
    described.shape.reverse();
    if let (Some(data), &[rows, columns]) = (values.get(&described.name), before.as_slice()) {
        let size = |n: u64| usize::try_from(n).unwrap_or_default();
        let bytes = transpose(data.bytes, size(rows), size(columns));
        let (elem, shape) = (described.elem, described.shape.clone());
        let replaced = values.insert(described.name.clone(), elem, shape, bytes);
        debug_assert!(replaced.is_ok(), "as many bytes as before");
    }
}

/// Swaps rows and columns of a matrix, whatever the size of its elements.
fn transpose(bytes: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    let Some(width) = bytes.len().checked_div(rows * columns) else {
        return bytes.to_vec();
    };
    let mut out = Vec::with_capacity(bytes.len());
    for column in 0..columns {
        for row in 0..rows {
            let start = (row * columns + column) * width;
            out.extend_from_slice(&bytes[start..start + width]);
        }
    }
    out
}

/// Ids of the parameters that require gradients.
#[derive(Default)]
struct Trained(Vec<ParamId>);

impl ModuleVisitor for Trained {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.val().is_require_grad() {
            self.0.push(param.id);
        }
    }
}

struct Collector<'a> {
    tree: &'a mut Tree,
    trained: Vec<ParamId>,
    path: Vec<String>,
    /// Class name of each open module; `Vec` and tuples have PyTorch's names for them.
    kinds: Vec<String>,
}

impl Collector<'_> {
    /// Adds a parameter under its `state_dict` name: that of burn-store's PyTorch adapter.
    fn push(&mut self, id: ParamId, data: &TensorData) {
        // The last component is the parameter; the container's kind stands with each of them.
        let Some((own, modules)) = self.path.split_last() else {
            return;
        };
        let owner = self.kinds.last().map(String::as_str).unwrap_or_default();
        let is_norm = owner.ends_with("Norm");
        let name = match own.as_str() {
            "gamma" if is_norm => "weight",
            "beta" if is_norm => "bias",
            other => other,
        };
        let transposed = owner == "Linear" && own == "weight" && data.shape().num_dims() == 2;
        let role = if self.trained.contains(&id) {
            WeightRole::Parameter
        } else {
            WeightRole::Buffer
        };
        let mut path = String::new();
        for (depth, component) in modules.iter().enumerate() {
            if depth > 0 {
                path.push('.');
            }
            path.push_str(component);
            // The kind of a module is announced with its members: one level further in.
            let kind = self
                .kinds
                .get(depth + 1)
                .map_or("Module", String::as_str)
                .to_owned();
            self.tree.module(&path, &kind);
        }
        let module = self.tree.module(&path, owner);
        let full = |name: &str| kiln_core::leaf_name(&path, name);
        let paths = self.tree.paths.entry(id).or_default();
        paths.push(self.path.join("."));
        let full_name = full(name);
        let scalar = kiln_core::is_scalar(&full_name).then(|| without_axes(data));
        let data = scalar.as_ref().unwrap_or(data);
        if let Some(position) = self.tree.weights.iter().position(|w| w.name == full_name) {
            let weight = WeightId::from_index(position);
            self.tree.add(id, weight, transposed);
            return;
        }
        let first = self.tree.param(id, 0);
        let weight = match first.filter(|(_, flag)| *flag == transposed) {
            Some((first, _)) => self.tree.tie(full_name, first),
            None => self.tree.push(full_name, role, data, transposed),
        };
        let Some(weight) = weight else {
            return;
        };
        self.tree.add(id, weight, transposed);
        self.tree.modules[module.index()].weights.push(weight);
        if own == "running_var" {
            // PyTorch counts batches in a buffer that Burn does not have.
            let count = without_axes(&TensorData::from([0_i64]));
            let name = full("num_batches_tracked");
            if let Some(weight) = self.tree.push(name, WeightRole::Buffer, &count, false) {
                self.tree.modules[module.index()].weights.push(weight);
            }
        }
    }
}

/// One element as PyTorch has it, without axes.
fn without_axes(data: &TensorData) -> TensorData {
    let shape = burn::tensor::Shape::from(Vec::<usize>::new());
    TensorData::from_bytes(data.clone().into_bytes(), shape, data.dtype())
}

impl ModuleVisitor for Collector<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.kinds.push(match container {
            "Vec" | "Array" => "ModuleList".to_owned(),
            "Tuple" => "Sequential".to_owned(),
            other => other.rsplit(':').next().unwrap_or(other).to_owned(),
        });
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
        self.kinds.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.push(param.id, &param.val().to_data());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.push(param.id, &param.val().to_data());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.push(param.id, &param.val().to_data());
    }
}
