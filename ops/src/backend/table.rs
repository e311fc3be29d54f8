//! The operations that backends implement alike, with a row per operation.
//!
//! ```text
//! method(input: Kind, .. | transposed; attribute: Type, ..) -> Kind { folder gradient, record }
//! ```
//!
//! `transposed` is read by gradients alone. From a row follows the method of [`GraphOps`] of
//!
//! | backend | what it calls |
//! |---|---|
//! | CPU | `folder::flex::method(&input, .., attribute, ..)` |
//! | GPU | `folder::cube::method(input, .., attribute, ..)` |
//! | gradients | `folder::backward::method(input, .., transposed, attribute, ..)` if `differentiable`, the backend below if `constant` |
//! | written down | `record`, with the inputs; `=> dtype` names the type of results that inputs do not give |
//!
//! [`GraphOps`]: crate::GraphOps

/// Hands the rows to a macro.
macro_rules! operations {
    ($then:ident) => { $crate::backend::table::$then! {
        gather(x: Float, index: Int) -> Float { gather differentiable, GraphOp::Gather }
        scatter(x: Float, index: Int; size: usize, reduce: Reduce) -> Float {
            scatter differentiable, GraphOp::Scatter { size, reduce }
        }
        segment_reduce(x: Float, ptr: Int; reduce: Reduce) -> Float {
            segment_reduce differentiable, GraphOp::SegmentReduce { reduce }
        }
        segment_softmax(x: Float, index: Int; size: usize) -> Float {
            segment_softmax differentiable, GraphOp::SegmentSoftmax { size }
        }
        spmm(x: Float, src: Int, dst: Int, weight: Optional; size: usize, reduce: Reduce) -> Float {
            spmm differentiable, GraphOp::Spmm { size, reduce }
        }
        spmm_csr(x: Float, rowptr: Int, col: Int, value: Optional; reduce: Reduce) -> Float {
            spmm differentiable, GraphOp::SpmmCsr { reduce }
        }
        degree(index: Int; size: usize, dtype: FloatDType) -> Float {
            degree constant, GraphOp::Degree { size } => dtype
        }
        coo_to_csr(index: Int; size: usize) -> (Int, Int) {
            csr constant, GraphOp::CooToCsr { size }
        }
        ptr_to_index(ptr: Int; entries: usize) -> Int {
            csr constant, GraphOp::PtrToIndex { entries }
        }
        self_loop_position(src: Int, dst: Int; size: usize) -> Int {
            self_loops constant, GraphOp::SelfLoopPosition { size }
        }
        linear_map(x: Float, weight: Float, term: Optional; relu: bool) -> Float {
            linear differentiable, EagerOp::LinearMap { relu }
        }
        linear_map_weight(x: Float, grad: Float) -> Float {
            linear constant, EagerOp::LinearMapWeight
        }
        column_sum(x: Float) -> Float { linear differentiable, EagerOp::ColumnSum }
        sort_edges(row: Int, col: Int; sizes: [usize; 2], names: [&'static str; 3])
            -> (Int, Int, Int) { sort_edges constant, EagerOp::sort_edges(sizes, names) }
        aggregate(x: Float, terms: Terms, csr: Csr | transposed; reduce: Reduce) -> Float {
            aggregate differentiable, EagerOp::Aggregate { form: terms.form(), reduce }
        }
        edge_dot_csr(a: Float, b: Float, csr: Csr | transposed) -> Float {
            edge_dot differentiable, EagerOp::EdgeDot
        }
        match_sum_csr(a: Float, b: Float, v: Float, csr: Csr) -> Float {
            match_sum constant, EagerOp::MatchSum
        }
        edge_softmax(x: Float, csr: Csr) -> Float {
            edge_softmax differentiable, EagerOp::EdgeSoftmax
        }
        edge_softmax_backward(out: Float, grad: Float, csr: Csr) -> Float {
            edge_softmax constant, EagerOp::EdgeSoftmaxBackward
        }
        edge_attention(
            first: Float, second: Float, third: Float, seed: Int, csr: Csr | transposed;
            score: Score
        ) -> (Float, Float) {
            attention differentiable, EagerOp::Attention { score }
        }
        edge_attention_backward(
            first: Float, second: Float, third: Float, saved: Saved, csr: Csr, transposed: Csr;
            score: Score
        ) -> (Float, Float, Float) {
            attention constant, EagerOp::AttentionBackward { score }
        }
    } };
}

/// The type of a kind.
macro_rules! kind {
    (Float) => { FloatTensor<Self> };
    (Optional) => { OptionalTensor<Self> };
    (Int) => { IntTensor<Self> };
    (Csr) => { CsrTensors<Self> };
    (Terms) => { Terms<Self> };
    (Saved) => { SavedAttention<Self> };
    (($($kind:ident),*)) => { ($($crate::backend::table::kind!($kind)),*) };
}

/// Methods that call kernels on the CPU.
#[cfg(feature = "flex")]
macro_rules! flex_kernels {
    ($($method:ident($($input:ident: $kind:ident),* $(| $unread:ident)? $(; $($attribute:ident: $type:ty),*)?)
        -> $output:tt { $folder:ident $gradient:ident, $($record:tt)* })*) => {$(
        fn $method(
            $($input: $crate::backend::table::kind!($kind),)*
            $($unread: CsrTensors<Self>,)?
            $($($attribute: $type),*)?
        ) -> $crate::backend::table::kind!($output) {
            $(drop($unread);)?
            $crate::$folder::flex::$method(
                $($crate::backend::table::flex_kernels!(@pass $kind $input),)*
                $($($attribute),*)?
            )
        }
    )*};
    (@pass Optional $input:ident) => { $input.into_option() };
    (@pass $kind:ident $input:ident) => { &$input };
}

/// Methods that call kernels on GPUs.
#[cfg(feature = "cube")]
macro_rules! cube_kernels {
    ($($method:ident($($input:ident: $kind:ident),* $(| $unread:ident)? $(; $($attribute:ident: $type:ty),*)?)
        -> $output:tt { $folder:ident $gradient:ident, $($record:tt)* })*) => {$(
        fn $method(
            $($input: $crate::backend::table::kind!($kind),)*
            $($unread: CsrTensors<Self>,)?
            $($($attribute: $type),*)?
        ) -> $crate::backend::table::kind!($output) {
            $(drop($unread);)?
            $crate::$folder::cube::$method(
                $($crate::backend::table::cube_kernels!(@pass $kind $input),)*
                $($($attribute),*)?
            )
        }
    )*};
    (@pass Optional $input:ident) => { $input.into_option() };
    (@pass $kind:ident $input:ident) => { $input };
}

/// Methods that keep what gradients need, or pass on what has none.
macro_rules! gradients {
    ($($method:ident($($input:ident: $kind:ident),* $(| $unread:ident)? $(; $($attribute:ident: $type:ty),*)?)
        -> $output:tt { $folder:ident $gradient:ident, $($record:tt)* })*) => {$(
        fn $method(
            $($input: $crate::backend::table::kind!($kind),)*
            $($unread: CsrTensors<Self>,)?
            $($($attribute: $type),*)?
        ) -> $crate::backend::table::kind!($output) {
            $crate::backend::table::gradients!(
                @$gradient $folder $method $output
                [$($input $kind,)* $($unread Csr,)?] [$($($attribute),*)?]
            )
        }
    )*};
    (@differentiable $folder:ident $method:ident $output:tt
        [$($input:ident $kind:ident,)*] [$($attribute:ident),*]) => {
        $crate::$folder::backward::$method::<B, C>(
            $($crate::backend::table::gradients!(@pass $kind $input),)*
            $($attribute),*
        )
    };
    (@constant $folder:ident $method:ident $output:tt
        [$($input:ident $kind:ident,)*] [$($attribute:ident),*]) => {
        $crate::backend::table::gradients!(@lift $output B::$method(
            $($crate::backend::table::gradients!(@lower $kind $input),)*
            $($attribute),*
        ))
    };
    (@pass Csr $input:ident) => { $input.inner() };
    (@pass Optional $input:ident) => { $input.into_option() };
    (@pass $kind:ident $input:ident) => { $input };
    (@lower Float $input:ident) => { Self::inner($input) };
    (@lower Int $input:ident) => { $input };
    (@lower $kind:ident $input:ident) => { $input.inner() };
    (@lift Float $out:expr) => { Self::from_inner($out) };
    (@lift (Float, Float, Float) $out:expr) => { <[_; 3]>::from($out).map(Self::from_inner).into() };
    (@lift $ints:tt $out:expr) => { $out };
}

/// Methods that write an operation down.
macro_rules! records {
    ($($method:ident($($input:ident: $kind:ident),* $(| $unread:ident)? $(; $($attribute:ident: $type:ty),*)?)
        -> $output:tt { $folder:ident $gradient:ident, $record:expr $(=> $dtype:ident)? })*) => {$(
        fn $method(
            $($input: $crate::backend::table::kind!($kind),)*
            $($unread: CsrTensors<Self>,)?
            $($($attribute: $type),*)?
        ) -> $crate::backend::table::kind!($output) {
            $(drop($unread);)?
            let record = $record;
            let mut inputs = Vec::new();
            $($crate::backend::table::records!(@push $kind $input inputs);)*
            let dtype = $crate::backend::table::records!(@dtype $($dtype)?);
            let outputs = Self::defer(record, inputs, dtype);
            $crate::backend::table::records!(@result $output outputs)
        }
    )*};
    (@push Float $input:ident $inputs:ident) => { $inputs.extend([$input]) };
    (@push Int $input:ident $inputs:ident) => { $inputs.extend([$input]) };
    (@push Optional $input:ident $inputs:ident) => { $inputs.extend($input.into_option()) };
    (@push Csr $input:ident $inputs:ident) => {
        $inputs.extend([$input.ptr, $input.col, $input.edge, $input.chunk, $input.hub])
    };
    (@push Saved $input:ident $inputs:ident) => {
        $inputs.extend([$input.out, $input.lse, $input.grad, $input.seed])
    };
    (@push Terms $input:ident $inputs:ident) => {
        match $input {
            Terms::Ones => {}
            Terms::Edges(x) | Terms::Nodes { scale: x, .. } | Terms::Own(x) => $inputs.push(x),
            Terms::Loops { weight, self_loop } => $inputs.extend([weight, self_loop]),
            Terms::Shares(ptr) => $inputs.push(ptr),
        }
    };
    (@dtype) => { None };
    (@dtype $dtype:ident) => { Some($dtype.into()) };
    (@result ($($kind:ident),*) $outputs:ident) => { $outputs.into() };
    (@result $kind:ident $outputs:ident) => {{ let [out] = $outputs; out }};
}

#[cfg(feature = "cube")]
pub(crate) use cube_kernels;
#[cfg(feature = "flex")]
pub(crate) use flex_kernels;
pub(crate) use {gradients, kind, operations, records};
