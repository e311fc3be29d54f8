//! The typed static graph of Kiln: what a recorded model is.
//!
//! A recorded model is a [`Program`]: a tree of modules (the layers), whose methods run
//! straight-line functions over tensors. Sizes that differ from graph to graph, such as the number
//! of nodes `N`, are symbols; every dimension is a size in them, so one program serves all graphs.
//! Message passing (`gather`, `scatter`, `spmm`, ...) is part of the operation set.
//!
//! | to | use |
//! |---|---|
//! | read a program, or write one by hand | [`parse`], [`print`](print()) |
//! | check that it means something | [`validate`](validate()), which gives a [`Valid`] program |
//! | run it on a device | [`Session`] |
//! | change it | [`pass`] |
//! | keep it with its weights | [`Model`], a [`Valid`] program and [`Weights`]; `.kiln` files ([`native`]) |
//!
//! [`validate`](validate()) stands between data and use: what it lets through is safe to execute,
//! export and transform, and nothing else accepts an unvalidated program.

pub mod exec;
mod id;
pub mod leaf;
pub mod model;
pub mod native;
pub mod op;
pub mod pass;
pub mod program;
pub mod record;
pub mod size;
pub mod text;
mod types;
pub mod validate;
pub mod weights;

#[doc(inline)]
pub use exec::{Argument, ExecError, Prepared, Session};
#[doc(inline)]
pub use leaf::Leaf;
#[doc(inline)]
pub use model::Model;
#[doc(inline)]
pub use native::NativeError;
#[doc(inline)]
pub use op::{
    Binary, DenseOp, ElementwiseOp, Float, GraphOp, Op, Reduce, ReduceOp, Reduction, Scalar, Scan,
    ShapeOp, Unary,
};
#[doc(inline)]
pub use program::{
    Arguments, Case, ElemType, Function, FunctionId, Literal, Method, Module, ModuleId, Node,
    Param, Program, Symbol, SymbolId, TensorType, Type, ValueId, ValueType, Weight, WeightId,
    WeightRole,
};
#[doc(inline)]
pub use record::{RecordError, Recorder};
#[doc(inline)]
pub use size::{Factor, Size, Term};
#[doc(inline)]
pub use text::{ParseError, parse, print};
#[doc(inline)]
pub use validate::{Diagnostic, Invalid, Place, Valid, validate};
#[doc(inline)]
pub use weights::{WeightData, Weights, WeightsError};
