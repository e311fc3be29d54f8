//! A product and a sum in one kernel: the term is added where the product is written.
//!
//! The kernel is that of `cubek` which copies tiles by itself (TMA), with an output of our own.
//! Bias or other product, the result is so neither written twice nor read again.

use burn::backend::{cubecl::dtype_to_storage_type, ops::FloatTensorOps as _};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::{
    cube, intrinsic,
    ir::{Scope, VectorSize},
    prelude::{barrier::BarrierExpand, *},
    std::tensor::{
        View, ViewMut, ViewMutExpand, ViewOperations, ViewOperationsExpand, ViewOperationsMut,
        ViewOperationsMutExpand, launch::ViewArg,
    },
};
use cubek::{
    matmul::{
        definition::{
            AvailableVectorSizes, MatmulElems, MatmulGlobalElems, MatmulProblem, MatmulSetupError,
        },
        multi_level::{
            BatchMatmulRoutine,
            args::{
                BatchedCoords, ConcreteInputsFactory, InputArg, MatmulArgs, TensorMapArgs,
                TensorMapInputs,
            },
            components::{
                global::memory::{GlobalLayout, GlobalLayoutConfig, GlobalLayoutLaunch},
                tile::TileMatmulKind,
            },
            definition::Blueprint as _,
            launch_kernel,
            routines::batch::double_buffering::{DoubleBufferingArgs, TmaDoubleBufferingAlgorithm},
        },
        routine::BlueprintStrategy,
    },
    std::InputBinding,
};

use crate::rows::cube::{address_type, launch_dims, vector_size};

/// The kernel of large products where tiles are copied by the device.
pub(super) const DOUBLE: DoubleBufferingArgs = DoubleBufferingArgs {
    specialized: false,
    tile_matmul: TileMatmulKind::Mma,
};

/// What is added to a product, a contiguous matrix or one row for all, and whether ReLU follows.
#[derive(Clone, Copy)]
pub(super) struct Addend<'a> {
    pub(super) term: &'a CubeTensor,
    pub(super) relu: bool,
}

impl Addend<'_> {
    /// How far the rows that are added to those of `out` are apart.
    pub(super) fn stride(self, out: &CubeTensor) -> usize {
        if self.term.meta.shape() == out.meta.shape() {
            out.meta.shape()[1]
        } else {
            0
        }
    }
}

/// Writes `lhs · rhs` and what is added to `out`.
pub(super) fn product(
    [lhs, rhs, out]: [&CubeTensor; 3],
    Addend { term, relu }: Addend<'_>,
) -> Result<(), MatmulSetupError> {
    type Routine = TmaDoubleBufferingAlgorithm;
    let client = &out.client;
    let [left, right, result] = [lhs, rhs, out].map(|tensor| dtype_to_storage_type(tensor.dtype));
    let dtypes = MatmulElems::from_globals(&MatmulGlobalElems {
        lhs: left,
        rhs: right,
        out: result,
    });
    let [lhs, rhs] = [(lhs, left), (rhs, right)]
        .map(|(tensor, dtype)| InputBinding::new(tensor.clone().binding(), dtype));
    let term = CubeBackend::float_expand(term.clone(), out.meta.shape().clone()).binding();
    let out = out.clone().binding();
    let size = dtypes.acc_global.size();
    let address_type = lhs
        .required_address_type()
        .max(rhs.required_address_type())
        .max(term.required_address_type(size))
        .max(out.required_address_type(size));
    let problem = MatmulProblem::from_shapes_and_strides(
        lhs.shape().into(),
        rhs.shape().into(),
        out.shape.clone(),
        lhs.data().strides.clone(),
        rhs.data().strides.clone(),
        out.strides.clone(),
        dtypes.as_global_elems(),
        address_type,
        None,
        None,
    )?;
    let vector_sizes = AvailableVectorSizes::from_type_size_tma(client, size)
        .filter_lhs_with_tensor(&problem.lhs_strides, &problem.lhs_shape, problem.lhs_layout)
        .filter_rhs_with_tensor(&problem.rhs_strides, &problem.rhs_shape, problem.rhs_layout)
        .filter_out_with_tensor(&problem.out_strides, &problem.out_shape)
        .pick_max()?;
    let settings = <Routine as BatchMatmulRoutine<()>>::device_settings(client, vector_sizes);
    let strategy = BlueprintStrategy::<(), Routine>::Inferred(DOUBLE);
    let expanded = Routine::expand_blueprint(&problem, &settings, &strategy)?;
    let info = <Routine as BatchMatmulRoutine<()>>::prepare(&problem, &settings, expanded)?;
    let (blueprint, vectors) = (&info.blueprint, &info.vector_sizes);
    let input = <InputArg<TensorMapArgs> as ConcreteInputsFactory<Routine>>::create(
        lhs, rhs, blueprint, &problem, vectors, &dtypes,
    );
    let config = blueprint.out_global_layout_config();
    let view = |tensor: TensorBinding| {
        let layout = GlobalLayoutLaunch::from_handle(&tensor, vectors.out, config);
        ViewArg::new_tensor::<GlobalLayout>(tensor.into_tensor_arg(), layout)
    };
    let output = SumOutputLaunch::new(view(out), view(term), relu);
    launch_kernel::<SumArgs, Routine>(client, input, output, (), info)
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn add_kernel<F: Float, N: Size>(
    out: &mut Tensor<Vector<F, N>>,
    term: &Tensor<Vector<F, N>>,
    all: usize,
    width: usize,
    stride: usize,
    #[comptime] relu: bool,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= all {
        terminate!();
    }
    let at = ABSOLUTE_POS / width * stride + ABSOLUTE_POS % width;
    let sum = out[ABSOLUTE_POS] + term[at];
    out[ABSOLUTE_POS] = rectified::<F, N>(sum, relu);
}

/// Adds what is added to `out`, a contiguous product.
pub(super) fn add(out: &CubeTensor, addend: Addend<'_>) {
    if out.meta.num_elements() == 0 {
        return;
    }
    let width = out.meta.shape()[1];
    let vector = vector_size(out, width);
    let all = out.meta.num_elements() / vector;
    let (cubes, dim) = launch_dims(out, all);
    // SAFETY: a unit below `all` reads and writes its own vector of `out`, and reads the one of its
    // row and column of the term, or of its column where that has one row.
    unsafe {
        add_kernel::launch_unchecked(
            &out.client,
            cubes,
            dim,
            address_type([Some(out), Some(addend.term)]),
            vector,
            out.clone().into_tensor_arg(),
            addend.term.clone().into_tensor_arg(),
            all,
            width / vector,
            addend.stride(out) / vector,
            addend.relu,
            dtype_to_storage_type(out.dtype),
        );
    }
}

/// What ReLU makes of it, if asked for; what is not a number stays so.
#[cube]
pub(super) fn rectified<F: Float, N: Size>(
    x: Vector<F, N>,
    #[comptime] relu: bool,
) -> Vector<F, N> {
    if comptime!(relu) {
        let zero = Vector::<F, N>::new(F::new(0.0_f32));
        select_many(x.less_than(&zero), zero, x)
    } else {
        x
    }
}

/// Arguments of a product that copies tiles by itself, and of a sum.
#[derive(Clone)]
struct SumArgs;

/// Where a product goes, and what is added to it.
#[derive(CubeType, CubeLaunch, Clone)]
#[expand(derive(Clone))]
#[expect(dead_code, reason = "only the expansion of a kernel reads them")]
struct SumOutput<E: CubePrimitive> {
    out: ViewMut<'static, E, BatchedCoords>,
    term: View<'static, E, BatchedCoords>,
    #[cube(comptime)]
    relu: bool,
}

/// A place that adds its term to what is written.
#[cube]
fn view<E: CubePrimitive>(output: &SumOutput<E>) -> ViewMut<'_, E, BatchedCoords> {
    intrinsic!(|scope| ViewMutExpand::new(scope, output.clone()))
}

#[cube]
impl MatmulArgs for SumArgs {
    type Input<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive> = TensorMapInputs<L, R, E>;
    type Output<E: CubePrimitive> = SumOutput<E>;
    type Config = ();
    type State<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive> =
        (TensorMapInputs<L, R, E>, SumOutput<E>);

    fn init_state<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
        input: &Self::Input<L, R, E>,
        output: &mut Self::Output<E>,
        _config: Self::Config,
        #[comptime] _lhs_layout_config: GlobalLayoutConfig,
        #[comptime] _rhs_layout_config: GlobalLayoutConfig,
        #[comptime] _out_layout_config: GlobalLayoutConfig,
    ) -> Self::State<L, R, E> {
        (input.clone(), output.clone())
    }

    fn view_lhs<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
        state: &Self::State<L, R, E>,
    ) -> View<'_, L, BatchedCoords> {
        state.0.lhs
    }

    fn batch_lhs<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
        _state: &Self::State<L, R, E>,
        batch: usize,
    ) -> usize {
        batch
    }

    fn view_rhs<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
        state: &Self::State<L, R, E>,
    ) -> View<'_, R, BatchedCoords> {
        state.0.rhs
    }

    fn batch_rhs<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
        _state: &Self::State<L, R, E>,
        batch: usize,
    ) -> usize {
        batch
    }

    fn view_acc<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
        _state: &Self::State<L, R, E>,
    ) -> ComptimeOption<View<'_, E, BatchedCoords>> {
        ComptimeOption::new_None()
    }

    fn batch_acc<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
        _state: &Self::State<L, R, E>,
        batch: usize,
    ) -> usize {
        batch
    }

    fn view_out<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
        state: &Self::State<L, R, E>,
    ) -> ViewMut<'_, E, BatchedCoords> {
        view(&state.1)
    }

    fn batch_out<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
        _state: &Self::State<L, R, E>,
        batch: usize,
    ) -> usize {
        batch
    }

    fn runtime_config<L: CubePrimitive, R: CubePrimitive, E: CubePrimitive>(
        _state: &Self::State<L, R, E>,
    ) -> Self::Config {
    }
}

type Position = <BatchedCoords as CubeType>::ExpandType;

impl<E: CubePrimitive> SumOutputExpand<E> {
    /// What is written for a value of the product.
    fn finish(&self, scope: &Scope, pos: Position, value: NativeExpand<E>) -> NativeExpand<E> {
        let term = self.term.__expand_read_unchecked_method(scope, pos);
        finish::expand::<E>(scope, value, term, self.relu)
    }
}

#[cube]
fn finish<E: CubePrimitive>(value: E, term: E, #[comptime] relu: bool) -> E {
    let sum = Vector::<f32, E::Size>::cast_from(value) + Vector::cast_from(term);
    E::cast_from(rectified::<f32, E::Size>(sum, relu))
}

impl<E: CubePrimitive> Vectorized for SumOutput<E> {}
impl<E: CubePrimitive> VectorizedExpand for SumOutputExpand<E> {
    fn __expand_vector_size_method(&self, scope: &Scope) -> VectorSize {
        self.out.__expand_vector_size_method(scope)
    }
}

impl<E: CubePrimitive> ViewOperations<E, BatchedCoords> for SumOutput<E> {}
impl<E: CubePrimitive> ViewOperationsExpand<E, BatchedCoords> for SumOutputExpand<E> {
    fn __expand_read_method(&self, scope: &Scope, pos: Position) -> NativeExpand<E> {
        self.out.__expand_read_method(scope, pos)
    }

    fn __expand_read_checked_method(&self, scope: &Scope, pos: Position) -> NativeExpand<E> {
        self.out.__expand_read_checked_method(scope, pos)
    }

    fn __expand_read_masked_method(
        &self,
        scope: &Scope,
        pos: Position,
        value: NativeExpand<E>,
    ) -> NativeExpand<E> {
        self.out.__expand_read_masked_method(scope, pos, value)
    }

    fn __expand_read_unchecked_method(&self, scope: &Scope, pos: Position) -> NativeExpand<E> {
        self.out.__expand_read_unchecked_method(scope, pos)
    }

    fn __expand_as_linear_slice_method(
        &self,
        scope: &Scope,
        pos: Position,
        end: Position,
    ) -> &SliceExpand<E> {
        ViewOperationsExpand::__expand_as_linear_slice_method(&self.out, scope, pos, end)
    }

    fn __expand_tensor_map_load_method(
        &self,
        _scope: &Scope,
        _barrier: &BarrierExpand,
        _shared_memory: &mut SliceExpand<E>,
        _pos: Position,
    ) {
        unreachable!("results are not loaded in tiles");
    }

    fn __expand_shape_method(&self, scope: &Scope) -> Position {
        self.out.__expand_shape_method(scope)
    }

    fn __expand_is_in_bounds_method(&self, scope: &Scope, pos: Position) -> NativeExpand<bool> {
        self.out.__expand_is_in_bounds_method(scope, pos)
    }
}

impl<E: CubePrimitive> ViewOperationsMut<E, BatchedCoords> for SumOutput<E> {}
impl<E: CubePrimitive> ViewOperationsMutExpand<E, BatchedCoords> for SumOutputExpand<E> {
    fn __expand_write_method(&self, scope: &Scope, pos: Position, value: NativeExpand<E>) {
        let value = self.finish(scope, pos, value);
        ViewOperationsMutExpand::__expand_write_method(&self.out, scope, pos, value);
    }

    fn __expand_write_checked_method(&self, scope: &Scope, pos: Position, value: NativeExpand<E>) {
        let in_bounds = self.out.__expand_is_in_bounds_method(scope, pos);
        if_expand(scope, in_bounds, |scope| {
            self.__expand_write_method(scope, pos, value);
        });
    }

    fn __expand_as_linear_slice_mut_method(
        &self,
        _scope: &Scope,
        _pos: Position,
        _end: Position,
    ) -> &mut SliceExpand<E> {
        unreachable!("terms are added to what is written by position");
    }

    fn __expand_tensor_map_store_method(
        &self,
        _scope: &Scope,
        _shared_memory: &SliceExpand<E>,
        _pos: Position,
    ) {
        unreachable!("terms are added to what is written by position");
    }
}
