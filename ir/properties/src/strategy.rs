//! Programs with every operation and attribute, most of them not valid, from the declarations of
//! the operations.

use kiln_ir::{
    Arguments, Case, ElemType, Float, Function, FunctionId, Method, Module, ModuleId, Node, Op,
    Param, Program, Scalar, Scan, Size, Symbol, SymbolId, TensorType, Type, ValueId, ValueType,
    Weight, WeightId, WeightRole,
    op::{
        Spec,
        attribute::{Kind, Value},
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};

const SYMBOLS: u32 = 3;
const WEIGHTS: u32 = 3;

fn symbol() -> impl Strategy<Value = SymbolId> {
    (0..SYMBOLS).prop_map(SymbolId)
}

fn size() -> impl Strategy<Value = Size> {
    let terms = |factor: BoxedStrategy<Size>| {
        let coefficient = prop_oneof![-9_i64..9, any::<i64>()].prop_map(Size::fixed);
        vec((vec(factor, 0..3), coefficient), 0..4).prop_map(|terms| {
            let product = |(factors, coefficient): &(Vec<Size>, Size)| {
                factors
                    .iter()
                    .try_fold(coefficient.clone(), |product, one| product.checked_mul(one))
            };
            terms
                .iter()
                .filter_map(product)
                .fold(Size::default(), |sum, term| &sum + &term)
        })
    };
    let symbol = symbol().prop_map(Size::symbol).boxed();
    let inner = terms(symbol.clone()).boxed();
    let divisor = prop_oneof![(1_i64..9).prop_map(Size::fixed), inner.clone()];
    let factor = prop_oneof![
        4 => symbol,
        1 => [inner.clone(), inner.clone()].prop_map(|[a, b]| Size::min(&a, &b)),
        1 => (inner, divisor).prop_map(|(a, b)| Size::floor_div(&a, &b).unwrap_or_default()),
    ];
    terms(factor.boxed())
}

fn sizes() -> impl Strategy<Value = Vec<Size>> {
    vec(size(), 0..4)
}

fn float() -> impl Strategy<Value = Float> {
    prop_oneof![
        any::<f64>().prop_map(Float),
        any::<u64>().prop_map(|bits| Float(f64::from_bits(bits))),
        select(vec![
            0.0,
            -0.0,
            1.0,
            1e-16,
            1e300,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN
        ])
        .prop_map(Float),
    ]
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        float().prop_map(Scalar::Float),
        size().prop_map(Scalar::Int),
        any::<bool>().prop_map(Scalar::Bool),
    ]
}

fn elem() -> impl Strategy<Value = ElemType> {
    select(vec![
        ElemType::F32,
        ElemType::F64,
        ElemType::F16,
        ElemType::BF16,
        ElemType::I64,
        ElemType::I32,
        ElemType::U8,
        ElemType::Bool,
    ])
}

fn tensor_type() -> impl Strategy<Value = TensorType> {
    (elem(), sizes()).prop_map(|(elem, dims)| TensorType { elem, dims })
}

fn ty() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        tensor_type().prop_map(Type::Tensor),
        [tensor_type(), tensor_type(), tensor_type()]
            .prop_map(|parts| Type::Adjacency(Box::new(parts))),
        [symbol(), symbol()].prop_map(Type::Size),
        Just(Type::Flag),
        symbol().prop_map(Type::Int),
        elem().prop_map(Type::float),
        any::<bool>().prop_map(|value| Type::Literal(value.into())),
        any::<String>().prop_map(|text| Type::Literal(text.into())),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|inner| Type::Optional(Box::new(inner))),
            vec(inner.clone(), 0..3).prop_map(Type::Tuple),
            vec(inner.clone(), 0..3).prop_map(Type::List),
            vec((name(), inner), 0..3).prop_map(Type::Dict),
        ]
    })
}

/// A value of an attribute that holds such values.
fn value(kind: Kind) -> BoxedStrategy<Value> {
    let integer = any::<u32>;
    match kind {
        Kind::Word(words) => select(words).prop_map(Value::Word).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Integer => integer().prop_map(Value::Integer).boxed(),
        Kind::Integers => vec(integer(), 0..3).prop_map(Value::Integers).boxed(),
        Kind::Float => float().prop_map(Value::Float).boxed(),
        Kind::OptionalFloat => option::of(float()).prop_map(Value::OptionalFloat).boxed(),
        Kind::Scalar => scalar().prop_map(Value::Scalar).boxed(),
        Kind::OptionalScalar => option::of(scalar()).prop_map(Value::OptionalScalar).boxed(),
        Kind::Size => size().prop_map(Value::Size).boxed(),
        Kind::Sizes => sizes().prop_map(Value::Sizes).boxed(),
        Kind::Ranges => vec((size(), size()), 0..3).prop_map(Value::Ranges).boxed(),
    }
}

/// An operation of a declaration.
fn declared(spec: &'static Spec) -> impl Strategy<Value = Op> {
    let kinds = spec.attributes.iter().map(|attribute| attribute.kind);
    let values: Vec<_> = kinds.map(value).collect();
    values.prop_map(move |values| Op::new(spec, &values).expect("values of these kinds"))
}

fn scan() -> impl Strategy<Value = Scan> {
    let body = (0_u32..2).prop_map(FunctionId);
    (body, size(), 0_u32..3, 0_u32..3, any::<bool>()).prop_map(
        |(body, times, carried, scanned, reverse)| Scan {
            body,
            times,
            carried,
            scanned,
            reverse,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let specs: Vec<_> = Op::specs().collect();
    prop_oneof![
        1 => (0..WEIGHTS).prop_map(|id| Op::Weight(WeightId(id))),
        1 => (0_u32..2).prop_map(|id| Op::Call(FunctionId(id))),
        1 => symbol().prop_map(Op::Symbol),
        1 => scan().prop_map(Op::Scan),
        20 => select(specs).prop_flat_map(declared),
    ]
}

fn value_type() -> impl Strategy<Value = ValueType> {
    prop_oneof![
        4 => tensor_type().prop_map(ValueType::Tensor),
        1 => symbol().prop_map(ValueType::Int),
    ]
}

/// Names of weights, kinds and inputs may be any text.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_][a-z0-9_.]{0,6}", any::<String>()]
}

fn function(number: u32) -> impl Strategy<Value = Function> {
    let operands = || vec((0_u32..9).prop_map(ValueId), 0..3);
    (
        vec((name(), value_type()), 0..3),
        vec((op(), operands(), vec(value_type(), 0..3)), 0..8),
        operands(),
        option::of(name()),
    )
        .prop_map(move |(inputs, nodes, outputs, record)| {
            let mut next = (0..).map(ValueId);
            let (input_names, mut values): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
            let inputs = values.iter().filter_map(|_| next.next()).collect();
            let nodes = nodes.into_iter().map(|(op, mut inputs, types)| {
                if let Op::Weight(_) | Op::Symbol(_) = op {
                    inputs.clear();
                }
                let outputs = types.iter().filter_map(|_| next.next()).collect();
                values.extend(types);
                Node {
                    op,
                    inputs,
                    outputs,
                }
            });
            let nodes = nodes.collect();
            Function {
                name: format!("f{number}"),
                module: ModuleId(number % 2),
                arguments: record.map_or(Arguments::Plain, Arguments::Record),
                input_names,
                inputs,
                values,
                nodes,
                outputs,
            }
        })
}

fn method() -> impl Strategy<Value = Method> {
    let flags = || vec(any::<bool>(), 0..3);
    let case = (flags(), flags(), 0_u32..2).prop_map(|(present, results, function)| Case {
        present,
        results,
        function: FunctionId(function),
    });
    let param = (name(), ty()).prop_map(|(name, ty)| Param { name, ty });
    (
        name(),
        vec(param, 0..3),
        ty(),
        vec(case, 0..3),
        vec((symbol(), symbol()), 0..2),
    )
        .prop_map(|(name, params, result, cases, defaults)| Method {
            name,
            params,
            result,
            cases,
            defaults,
        })
}

/// Any program.
pub fn program() -> impl Strategy<Value = Program> {
    let roles = vec![
        WeightRole::Parameter,
        WeightRole::Buffer,
        WeightRole::Constant,
    ];
    let weight = (
        name(),
        select(roles),
        elem(),
        vec(any::<u64>(), 0..3),
        option::of(0..WEIGHTS),
    );
    let weights = vec(weight, WEIGHTS as usize).prop_map(|weights| {
        let numbered = weights.into_iter().enumerate();
        numbered
            .map(|(number, (name, role, elem, shape, tied))| Weight {
                name: format!("{name}{number}"),
                role,
                elem,
                shape,
                tied: tied
                    .filter(|&other| (other as usize) < number)
                    .map(WeightId),
            })
            .collect::<Vec<_>>()
    });
    let methods = || vec(method(), 0..3);
    (
        weights,
        methods(),
        methods(),
        name(),
        function(0),
        function(1),
    )
        .prop_map(|(weights, first, second, kind, f, g)| {
            let module = |path: &str, children, methods| Module {
                path: path.to_owned(),
                kind: kind.clone(),
                children,
                weights: vec![WeightId(1)],
                methods,
            };
            let modules = vec![
                module("", vec![ModuleId(1)], first),
                module("convs.0", Vec::new(), second),
            ];
            let symbols = ["N", "E", "K0"]
                .map(|name| Symbol {
                    name: name.to_owned(),
                })
                .to_vec();
            Program {
                symbols,
                weights,
                modules,
                functions: vec![f, g],
            }
        })
}
