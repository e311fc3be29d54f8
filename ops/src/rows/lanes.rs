//! Groups of units that walk sorted edges on GPUs.
//!
//! A cube of 256 units is cut in groups of `lanes` units, a power of two. One group walks the
//! entries of one row. Its units hold neighbouring vectors of features, so that what a group reads
//! of a node is contiguous and the id of an entry is one broadcast. Rows wider than a group give
//! each unit several *slots*, or several groups, the *blocks*. Narrow rows leave room for many
//! groups in a plane.
//!
//! ```text
//! features      0 1 2 3 | 4 5 6 7 | ..               vectors of 4
//! unit          lane 0  | lane 1  | .. | lane 0 of the next slot ..
//! ```
//!
//! Entries are taken [`STEP`] at a time: their ids are read first, then their rows, so that several
//! reads are on their way at once. The last step of a row repeats its last entry and leaves out
//! what is too much.
//!
//! # Long rows
//! A row with more than [`HUB`] entries would keep one group busy while all others have finished.
//! Such a row is cut in *pieces* of [`PIECE`] entries. Pieces are walked by groups of their own,
//! the first of the launch, and write what they have to a row of a tensor `partial`. Another kernel
//! joins these in the order of the pieces. No atomics are needed, and results repeat bit by bit.
//!
//! ```text
//! number of a walk   0 .. pieces             one piece each, PIECES a chunk; some are empty
//!                    pieces .. pieces + n    one row each; those that are cut are left out
//! ```
//!
//! To find long rows, the host must read the row pointers. Lists that are sorted for one call are
//! walked *whole* instead: one group walks a row of any length, and what it adds up it adds up in
//! pieces all the same, those again in as many.

#![expect(
    unsafe_code,
    reason = "kernels are launched without checks; each launch says why it may"
)]
#![expect(clippy::modulo_one, reason = "a chunk may have more pieces than one")]
#![expect(
    clippy::used_underscore_binding,
    reason = "the kernel macro reads the types it defines"
)]

use burn::backend::{Shape, cubecl::dtype_to_storage_type, ops::FloatTensorOps as _};
use burn::tensor::DType;
use burn_cubecl::{
    CubeBackend, kernel::into_contiguous, ops::numeric::zeros_client, tensor::CubeTensor,
};
use cubecl::{calculate_cube_count_elemwise, cube, ir::features::Plane, prelude::*};
use kiln_core::HUB;

use super::cube::{address_type, empty, launch_dims};
use crate::{CsrTensors, Reduce};

/// Units of a cube, where the device allows as many.
const UNITS: u32 = 256;
/// Units of the widest group.
const MAX_LANES: usize = 32;
/// Units that keep a device busy.
const BUSY: usize = 1 << 17;
/// Entries that are taken at once.
pub(crate) const STEP: usize = 4;
/// Entries of a piece of a long row.
pub(crate) const PIECE: usize = 128;
/// Pieces of a chunk.
pub(crate) const PIECES: usize = HUB / PIECE;

const _: () = assert!(HUB.is_multiple_of(PIECE), "a chunk is cut in whole pieces");

/// The entries that one group walks.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Walk {
    /// The row they belong to.
    pub(crate) row: usize,
    /// The first entry.
    pub(crate) start: usize,
    /// The entry after the last.
    pub(crate) end: usize,
    /// Whether there is anything to write: not for a row that is cut, nor for an empty piece.
    pub(crate) active: bool,
}

/// What walk `number` is; without entries, and not active, if it is none.
#[cube]
pub(crate) fn find_walk(
    ptr: &Tensor<i32>,
    chunk: &Tensor<i32>,
    number: usize,
    pieces: usize,
    rows: usize,
) -> Walk {
    let mut row = 0;
    let mut start = 0;
    let mut end = 0;
    let mut active = false;
    if number < pieces {
        let at = number / PIECES * 2;
        row = usize::cast_from(chunk[at]);
        start = usize::cast_from(chunk[at + 1]) + number % PIECES * PIECE;
        end = min(start + PIECE, usize::cast_from(ptr[row + 1]));
        active = start < end;
    } else if number < pieces + rows {
        row = number - pieces;
        start = usize::cast_from(ptr[row]);
        end = usize::cast_from(ptr[row + 1]);
        // Without pieces, no row has been cut.
        active = pieces == 0 || end - start <= HUB;
    }
    if !active {
        start = 0;
        end = 0;
    }
    Walk {
        row,
        start,
        end,
        active,
    }
}

/// Number of this unit's group.
#[cube]
pub(crate) fn group(#[comptime] lanes: usize) -> usize {
    CUBE_POS * (CUBE_DIM as usize / lanes) + UNIT_POS as usize / lanes
}

/// Position of this unit in its group.
#[cube]
pub(crate) fn lane(#[comptime] lanes: usize) -> usize {
    UNIT_POS as usize % lanes
}

/// The sum of a vector's elements.
#[cube]
pub(crate) fn sum_elements<A: Float, N: Size>(vector: Vector<A, N>) -> A {
    let mut sum = vector.extract(0usize);
    #[unroll]
    for element in 1usize..vector.vector_size() {
        sum += vector.extract(element);
    }
    sum
}

/// The sum over the units of a group, in all of them. All units of a plane must get here together;
/// groups of one unit need no planes.
#[cube]
pub(crate) fn sum_lanes<A: Float>(value: A, #[comptime] lanes: usize) -> A {
    let mut sum = value;
    #[unroll]
    for bit in 0..comptime!(lanes.ilog2()) {
        sum += plane_shuffle_xor(sum, comptime!(1u32 << bit));
    }
    sum
}

/// The sum over the groups of `lanes` units that share a row, `splits` of them side by side, in all
/// of their units. As with [`sum_lanes`], all units of a plane must get here together.
#[cube]
pub(crate) fn sum_splits<A: Float, N: Size>(
    value: Vector<A, N>,
    #[comptime] lanes: usize,
    #[comptime] splits: usize,
) -> Vector<A, N> {
    let mut sum = value;
    #[unroll]
    for bit in 0..comptime!(splits.ilog2()) {
        let mut other = sum;
        #[unroll]
        for element in 0..other.vector_size() {
            let part = plane_shuffle_xor(
                sum.extract(element),
                comptime!(1u32 << (lanes.ilog2() + bit)),
            );
            other.insert(element, part);
        }
        sum += other;
    }
    sum
}

/// The largest `count` among the units of a plane, so that they loop together.
#[cube]
pub(crate) fn common(count: usize, #[comptime] lanes: usize) -> usize {
    let mut largest = count;
    if comptime!(lanes > 1) {
        largest = usize::cast_from(plane_max(u32::cast_from(count)));
    }
    largest
}

/// How units share the features of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes {
    /// Features of a vector.
    pub(crate) vector: usize,
    /// Vectors of a row.
    pub(crate) width: usize,
    /// Units of a group.
    pub(crate) units: usize,
    /// Vectors of a unit.
    pub(crate) slots: usize,
    /// Groups of a row.
    pub(crate) blocks: usize,
}

impl Lanes {
    /// For rows of `heads` times `features`, at least one, where `x` is read. A vector belongs to
    /// one head. Units hold at most `slots` vectors.
    pub(crate) fn new(x: &CubeTensor, heads: usize, features: usize, slots: usize) -> Self {
        let (vector, width) = vectors(x, features);
        let width = width * heads;
        let most = MAX_LANES.min(units(x) as usize);
        let lanes = width.next_power_of_two().min(most);
        let all = width.div_ceil(lanes);
        let blocks = all.div_ceil(slots);
        Self {
            vector,
            width,
            units: lanes,
            slots: all.div_ceil(blocks),
            blocks,
        }
    }

    /// For rows of `features` that one group sums up: within a plane, or by one unit on a device
    /// without operations of planes.
    pub(crate) fn within_plane(x: &CubeTensor, features: usize) -> Self {
        let (vector, width) = vectors(x, features);
        let properties = x.client.properties();
        let widest = if properties.features.plane.contains(Plane::Ops) {
            let plane = properties.hardware.plane_size_min.max(1);
            MAX_LANES.min(1 << plane.ilog2())
        } else {
            1
        };
        let lanes = width.next_power_of_two().min(widest);
        Self {
            vector,
            width,
            units: lanes,
            slots: width.div_ceil(lanes),
            blocks: 1,
        }
    }

    /// For rows of some entries with `heads` numbers each, where a unit takes whole entries: about
    /// `each` of a row of `average` length.
    pub(crate) fn for_entries(x: &CubeTensor, heads: usize, average: usize, each: usize) -> Self {
        let lanes = Self::within_plane(x, MAX_LANES * MAX_LANES);
        let (vector, width) = vectors(x, heads);
        let wanted = average.div_ceil(each).next_power_of_two().clamp(4, 32);
        Self {
            vector,
            width,
            units: lanes.units.min(wanted),
            slots: 1,
            blocks: 1,
        }
    }

    /// How many groups may share the entries of a row, so that a device that has units to spare for
    /// `tasks` takes fewer steps: within a plane, one if there are tasks enough.
    pub(crate) fn splits(&self, x: &CubeTensor, tasks: usize) -> usize {
        let properties = x.client.properties();
        if self.blocks > 1 || !properties.features.plane.contains(Plane::Ops) {
            return 1;
        }
        let plane = 1 << properties.hardware.plane_size_min.max(1).ilog2();
        let spare = (BUSY / (tasks * self.units).max(1)).max(1);
        (1 << spare.ilog2())
            .min(MAX_LANES.min(plane) / self.units)
            .max(1)
    }

    /// Launch dimensions for groups with a task each.
    pub(crate) fn launch_dims(&self, like: &CubeTensor, tasks: usize) -> (CubeCount, CubeDim) {
        let dim = CubeDim::new_1d(units(like));
        let cubes = calculate_cube_count_elemwise(&like.client, tasks * self.units, dim);
        (cubes, dim)
    }
}

/// Units of a cube, a power of two.
fn units(like: &CubeTensor) -> u32 {
    let most = like.client.properties().hardware.max_units_per_cube.max(1);
    UNITS.min(1 << most.ilog2())
}

/// The widest vector that divides a row and is read in one piece, and their number.
fn vectors(x: &CubeTensor, features: usize) -> (usize, usize) {
    let vector = super::cube::vector_size(x, features);
    (vector, features / vector)
}

/// Sorted edges, ready for kernels.
pub(crate) struct Sorted {
    pub(crate) ptr: CubeTensor,
    pub(crate) col: CubeTensor,
    pub(crate) edge: CubeTensor,
    pub(crate) chunk: CubeTensor,
    pub(crate) hub: CubeTensor,
    /// Number of rows.
    pub(crate) rows: usize,
    /// Number of edges.
    pub(crate) edges: usize,
    /// Number of pieces that long rows are cut in.
    pub(crate) pieces: usize,
    /// Number of long rows.
    pub(crate) hubs: usize,
    /// Whether long rows may be there that are not cut in pieces.
    pub(crate) whole: bool,
}

impl From<CsrTensors<CubeBackend>> for Sorted {
    fn from(csr: CsrTensors<CubeBackend>) -> Self {
        let length = |tensor: &CubeTensor| tensor.meta.shape()[0];
        let (rows, edges) = (length(&csr.ptr) - 1, length(&csr.edge));
        let (chunks, hubs) = (length(&csr.chunk) / 2, length(&csr.hub) / 2);
        let whole = length(&csr.hub) == 1;
        // A kernel cannot be given a tensor without elements, so that one zero stands for it.
        let index = |tensor: CubeTensor| {
            assert!(
                tensor.dtype == DType::I32,
                "expected sorted edges as i32, got {:?}",
                tensor.dtype
            );
            if tensor.meta.num_elements() == 0 {
                let (client, device) = (tensor.client.clone(), tensor.device.clone());
                zeros_client(client, device, Shape::new([1]), DType::I32)
            } else {
                into_contiguous(tensor)
            }
        };
        Self {
            ptr: index(csr.ptr),
            col: index(csr.col),
            edge: index(csr.edge),
            chunk: index(csr.chunk),
            hub: index(csr.hub),
            rows,
            edges,
            pieces: chunks * PIECES,
            hubs,
            whole,
        }
    }
}

impl Sorted {
    /// Number of walks: pieces and rows.
    pub(crate) fn walks(&self) -> usize {
        self.pieces + self.rows
    }

    /// A row of `width` numbers for each piece, not initialised.
    pub(crate) fn partial(&self, width: usize, dtype: DType) -> CubeTensor {
        empty(&self.ptr, Shape::new([(self.pieces * width).max(1)]), dtype)
    }

    /// Joins the pieces of long rows in order. Columns `offset .. offset + width` of `partial`,
    /// whose rows have `stride` columns, become the rows of `out`.
    pub(crate) fn merge(
        &self,
        partial: &CubeTensor,
        [stride, offset, width]: [usize; 3],
        out: &CubeTensor,
        reduce: Reduce,
    ) {
        if self.hubs * width == 0 {
            return;
        }
        let (cubes, dim) = launch_dims(out, self.hubs * width);
        let address = address_type([Some(partial), Some(out), Some(&self.ptr)]);
        let dtypes = [out.dtype, partial.dtype].map(dtype_to_storage_type);
        // SAFETY: a unit below `hubs · width` writes its own column of its own row of `out`, and
        // reads the pieces of that row, which `partial` has.
        unsafe {
            merge_kernel::launch_unchecked(
                &out.client,
                cubes,
                dim,
                address,
                partial.clone().into_tensor_arg(),
                self.ptr.clone().into_tensor_arg(),
                self.hub.clone().into_tensor_arg(),
                out.clone().into_tensor_arg(),
                self.hubs,
                stride,
                offset,
                width,
                reduce,
                dtypes,
            );
        }
    }
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn merge_kernel<F: Float, A: Float>(
    partial: &Tensor<A>,
    ptr: &Tensor<i32>,
    hub: &Tensor<i32>,
    out: &mut Tensor<F>,
    hubs: usize,
    stride: usize,
    offset: usize,
    width: usize,
    #[comptime] reduce: Reduce,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    if ABSOLUTE_POS >= hubs * width {
        terminate!();
    }
    let number = ABSOLUTE_POS / width;
    let column = ABSOLUTE_POS % width;
    let row = usize::cast_from(hub[number * 2]);
    let first = usize::cast_from(hub[number * 2 + 1]) * PIECES;
    let entries = usize::cast_from(ptr[row + 1]) - usize::cast_from(ptr[row]);
    let start = first * stride + offset + column;
    let count = entries.div_ceil(PIECE);
    let mut result = partial[start];
    let mut piece = 1;
    while piece < count {
        let mut values = Array::<A>::new(STEP);
        #[unroll]
        for step in 0..STEP {
            values[step] = partial[start + min(piece + step, count - 1) * stride];
        }
        #[unroll]
        for step in 0..STEP {
            let value = values[step];
            // Repeated pieces change no maximum, but they change a sum.
            if comptime!(reduce == Reduce::Max) {
                result = max_nan(result, value);
            } else if comptime!(reduce == Reduce::Min) {
                result = min_nan(result, value);
            } else {
                result = select(piece + step < count, result + value, result);
            }
        }
        piece += STEP;
    }
    if comptime!(reduce == Reduce::Mean) {
        result /= A::cast_from(u32::cast_from(entries));
    }
    out[row * width + column] = F::cast_from(result);
}

/// The type of sums over values of a type: `f32` for those of 16 bits.
pub(crate) fn sum_type(dtype: DType) -> DType {
    match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

/// A contiguous tensor of another float type.
pub(crate) fn cast(tensor: CubeTensor, dtype: DType) -> CubeTensor {
    let tensor = if tensor.dtype == dtype || tensor.meta.num_elements() == 0 {
        tensor
    } else {
        CubeBackend::float_cast(tensor, dtype.into())
    };
    into_contiguous(tensor)
}

/// Zeros on the device of `like`, contiguous.
pub(crate) fn zeros(like: &CubeTensor, shape: Shape, dtype: DType) -> CubeTensor {
    let zeros = zeros_client(like.client.clone(), like.device.clone(), shape, dtype);
    into_contiguous(zeros)
}
